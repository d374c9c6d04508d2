//! What must not compile. After a new compiler, `TRYBUILD=overwrite cargo test -p keyward-crypto`
//! rewrites the expected messages; read the difference.

#[test]
fn secrets_cannot_be_printed_copied_compared_or_serialized() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
