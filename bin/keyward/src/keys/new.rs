use crate::cli::Output;
use crate::exit::Failure;

use super::kind::KeyKind;
use super::show::print;

/// Prints new keys in the form in which they are set. They are stored nowhere.
pub(crate) fn print_new(output: Output) -> Result<(), Failure> {
    print(
        &KeyKind::Field.new_key(),
        &KeyKind::Secret.new_key(),
        output,
    )
}
