//! What it costs to make needles for a request, and to look through answers without a secret.

use std::sync::Arc;

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use keyward_broker::{Needles, Scrub};

fn main() {
    divan::main();
}

#[divan::bench(args = [8, 20, 64, 4096])]
fn needles(bencher: Bencher, len: usize) {
    let value = value(len);
    bencher.bench(|| Needles::new([black_box(&*value)]));
}

#[divan::bench(args = [8, 20, 64, 4096])]
fn json(bencher: Bencher, len: usize) {
    let item = r#"{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","text":"He said: \"no\".\n","url":"https://example.com/a?b=c%20d","tokens":2095},"#;
    bench(bencher, item, len);
}

#[divan::bench(args = [8, 20, 64, 4096])]
fn events(bencher: Bencher, len: usize) {
    let event = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" the quick brown fox\\n\"}}\n\n";
    bench(bencher, event, len);
}

#[divan::bench(args = [8, 20, 64, 4096])]
fn random(bencher: Bencher, len: usize) {
    bench_chunk(bencher, random_bytes(MEBIBYTE), len);
}

/// Events as they arrive, each in a piece of its own.
#[divan::bench]
fn single_events(bencher: Bencher) {
    let event = Bytes::from_static(b"data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" fox\"}}\n\n");
    let needles = Arc::new(Needles::new([&*value(64)]));
    bencher
        .counter(BytesCount::new(event.len()))
        .with_inputs(|| Scrub::new(Arc::clone(&needles)))
        .bench_refs(|scrub| scrub.push(event.clone()));
}

/// The most work that can be made, by who knows the value: readings that go on for long.
#[divan::bench(args = ["%61", "\\/", "\\\\", "a"])]
fn hostile(bencher: Bencher, text: &str) {
    let value = if text == "\\\\" { "\\" } else { "a" }.repeat(64);
    let needles = Arc::new(Needles::new([&*value]));
    let chunk = Bytes::from(text.repeat(CHUNK / text.len()));
    bencher
        .counter(BytesCount::new(chunk.len()))
        .bench(|| Scrub::new(Arc::clone(&needles)).push(chunk.clone()));
}

fn bench(bencher: Bencher, text: &str, len: usize) {
    let mut chunk = text.repeat(MEBIBYTE / text.len() + 1);
    chunk.truncate(MEBIBYTE);
    bench_chunk(bencher, chunk.into_bytes(), len);
}

fn bench_chunk(bencher: Bencher, chunk: Vec<u8>, len: usize) {
    let chunk = Bytes::from(chunk);
    let needles = Arc::new(Needles::new([&*value(len)]));
    bencher
        .counter(BytesCount::new(chunk.len()))
        .with_inputs(|| (Scrub::new(Arc::clone(&needles)), chunk.clone()))
        .bench_values(|(mut scrub, chunk)| {
            let passed_on = scrub.push(chunk);
            (scrub, passed_on)
        });
}

/// A key of `len` characters.
fn value(len: usize) -> String {
    let random = random_bytes(len);
    data_encoding::BASE64URL
        .encode(&random)
        .split_off(random.len() / 3)
}

/// The same for each run (xorshift).
fn random_bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    });
    next.take(len).collect()
}

const CHUNK: usize = 1 << 14;

const MEBIBYTE: usize = 1 << 20;
