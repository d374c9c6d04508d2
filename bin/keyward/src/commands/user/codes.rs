use std::io::{BufRead, Read as _};

use keyward_crypto::TotpCode;
use zeroize::Zeroizing;

use crate::exit::Failure;

/// The next line as a code: `None` when there is no line any more, an error inside when it is
/// something else.
pub(super) fn next(input: &mut impl BufRead) -> Result<Option<Result<TotpCode, ()>>, Failure> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    let read = input
        .by_ref()
        .take(MAX_BYTES as u64)
        .read_until(b'\n', &mut line)
        .map_err(|error| {
            Failure::unavailable(format_args!("cannot read standard input: {error}"))
        })?;
    if read == 0 {
        return Ok(None);
    }
    let text = std::str::from_utf8(&line).map_err(|_| ());
    Ok(Some(text.and_then(|text| {
        TotpCode::parse(text.trim()).map_err(|_| ())
    })))
}

const MAX_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_code_or_something_else_until_there_are_none() {
        let mut input = " 123456 \r\n12345\n\n\u{fffd}\n654321".as_bytes();
        let mut read = Vec::new();
        while let Some(code) = next(&mut input).unwrap() {
            read.push(code.map(|code| code.expose().to_owned()).ok());
        }
        let code = |text: &str| Some(text.to_owned());
        assert_eq!(read, [code("123456"), None, None, None, code("654321")]);
        assert!(next(&mut &b"\xff\n"[..]).unwrap().unwrap().is_err());
    }
}
