//! What a field and an API key cost. `benches/peer.py` measures Python's Fernet at the same sizes.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot start may panic"
)]

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use keyward_crypto::{ApiKey, ApiKeyKind, Context, FieldKey, KeyRing, MacPurpose, MacRing};

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn seal(bencher: Bencher, size: usize) {
    let (ring, place, plaintext) = (ring(), place(), "x".repeat(size));
    bencher
        .counter(BytesCount::new(size))
        .bench(|| ring.seal(black_box(&plaintext), &place, NOW));
}

#[divan::bench(args = SIZES)]
fn open(bencher: Bencher, size: usize) {
    let (ring, place) = (ring(), place());
    let sealed = ring.seal(&"x".repeat(size), &place, NOW);
    bencher
        .counter(BytesCount::new(size))
        .bench(|| ring.open(black_box(&sealed), &place));
}

#[divan::bench(args = SIZES)]
fn check(bencher: Bencher, size: usize) {
    let (ring, place) = (ring(), place());
    let sealed = ring.seal(&"x".repeat(size), &place, NOW);
    bencher
        .counter(BytesCount::new(size))
        .bench(|| ring.check(black_box(&sealed), &place));
}

/// The context of a value is made for each value.
#[divan::bench]
fn context() -> Context {
    place()
}

#[divan::bench]
fn generate_api_key() -> ApiKey {
    ApiKey::generate(ApiKeyKind::User)
}

/// What each request costs at least.
#[divan::bench]
fn parse_and_verify_api_key(bencher: Bencher) {
    let ring = macs();
    let key = ApiKey::generate(ApiKeyKind::User);
    let (text, mac) = (key.expose().to_owned(), key.mac(&ring));
    bencher.bench(|| ApiKey::parse(black_box(&text)).is_ok_and(|key| key.matches(&ring, &mac)));
}

#[divan::bench]
fn verify_row_mac(bencher: Bencher) {
    let ring = macs();
    let parts: [&[u8]; 5] = [
        b"0123456789abcdef",
        &[7; 36],
        b"read,admin",
        b"1800000000",
        b"active",
    ];
    let mac = ring.mac(MacPurpose::ApiKeyRow, &parts);
    bencher.bench(|| ring.verify(MacPurpose::ApiKeyRow, black_box(&parts), &mac));
}

fn ring() -> KeyRing {
    KeyRing::new(vec![FieldKey::generate()]).expect("one key makes a ring")
}

fn macs() -> MacRing {
    MacRing::parse(MacRing::generate_secret().expose()).expect("one secret makes a ring")
}

fn place() -> Context {
    Context::new(
        black_box("credentials"),
        "secret",
        "01976f3e-0b5c-7c3a-9d5e-2f1a4b6c8d0e",
        "01976f3e-0b5c-7c3a-9d5e-2f1a4b6c8d0f",
    )
}

const SIZES: [usize; 4] = [64, 512, 4 * 1024, 64 * 1024];
const NOW: u64 = 1_800_000_000;
