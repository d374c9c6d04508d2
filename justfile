# Everyday commands. Without `just`, run the lines as they stand.

# What CI checks beside the tests.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    cargo deny check bans licenses sources

# All tests. Those that need PostgreSQL look for one and say so where there is none.
test:
    cargo test --workspace

# The server, in this folder, in development mode.
run:
    cargo run --release -- serve

# The API documentation of the crates, and where to find it.
docs:
    cargo doc --workspace --no-deps --open

# Sealing and opening beside Python's `cryptography`, key verification, the stores, and `bench-http`.
bench: && bench-http
    cargo bench -p keyward-crypto
    python3 crates/crypto/benches/peer.py
    cargo bench -p keyward-store-diesel

# Authenticated requests beside a bare actix-web route, on SQLite and PostgreSQL. Needs wrk.
bench-http:
    scripts/bench-http

# How much slower requests are with a million keys and 100,000 credentials than with few, on SQLite and PostgreSQL.
growth keys="1000000" credentials="100000":
    cargo bench -p keyward-store-diesel --bench growth -- {{keys}} {{credentials}}

# The same over HTTP, with wrk, on SQLite.
growth-http keys="1000000":
    scripts/growth-http {{keys}}

# The instructions of the hot paths beside the stored figures. Needs valgrind.
instructions:
    scripts/instructions

# The proofs, with a report in docs/evidence.md: `just prove` takes minutes, `just prove long` hours.
prove form="short":
    PROVE={{form}} scripts/prove

# A running server beside its OpenAPI document, for each kind of caller. Needs python3 and, once, the network.
schemathesis examples="300":
    EXAMPLES={{examples}} scripts/schemathesis

# Small changes to the code of a crate that its own tests do not notice: `just mutants keyward-crypto --shard 0/8`.
mutants crate *arguments:
    scripts/mutants {{crate}} {{arguments}}

# Which lines of the library crates their tests reach: all crates, or `just coverage -p keyward-crypto`. Needs cargo-tarpaulin.
coverage *packages="--workspace --exclude keyward":
    cargo tarpaulin --engine llvm --skip-clean --target-dir target/coverage --timeout 900 --no-fail-fast \
        --exclude-files 'bin/*' 'fuzz/*' 'examples/*' '*/tests/*' '*/benches/*' --out Stdout {{packages}}

# Fuzzes every parser and the whole API: `just fuzz` for the short form, `just fuzz 60` for a minute each.
fuzz *seconds:
    scripts/fuzz {{seconds}}

# Every library crate as it would be published, in target/packages.
package:
    scripts/package

# What has changed in the API of the crates since a revision, by the rules of semantic versions.
semver revision:
    scripts/semver {{revision}}

# The examples for embedders, against the crates as they would be published.
examples:
    scripts/examples --packaged

# Kills the server at random moments under concurrent writes and checks what is left.
crash rounds="200":
    KEYWARD_CRASH_ROUNDS={{rounds}} cargo test --release -p keyward --test crash -- --nocapture

# Exchanges encryption keys again and again under load and kills, on SQLite and PostgreSQL.
rotation rounds="20":
    KEYWARD_ROTATION_ROUNDS={{rounds}} cargo test --release -p keyward --test rotation -- --nocapture

# Everything that several do at the same moment, in its long form.
races rounds="20":
    KEYWARD_RACE_ROUNDS={{rounds}} cargo test --workspace --no-fail-fast -- --nocapture \
        race at_once administrators outsider codes:: keys::sqlite keys::postgresql crash_interrupts agents

# Whether the time of a login attempt tells anything; 10,000 requests take about four minutes.
timing requests="2500":
    cargo build --release -p keyward --example login_attempts
    KEYWARD_TIMING_REQUESTS={{requests}} cargo test --release -p keyward --test timing -- --nocapture

# Logins, code verifications and proofs of agents a second, with the time that most of them take.
bench-people:
    cargo run --release -p keyward --example people_rates

# Requests through the broker beside nginx, with what both add to their latency; then memory for 1 GiB each way, and how
# long events are on their way. Needs wrk and nginx.
bench-broker seconds="4" rounds="3":
    scripts/bench-broker {{seconds}} {{rounds}}
    KEYWARD_BODY_MIB=1024 KEYWARD_EVENTS=1000 cargo test --release -p keyward --test broker -- limits --nocapture
    cargo bench -p keyward-broker

# The documentation as a book, in target/book. Needs mdbook.
book:
    mdbook build

# A Debian package of the release build.
deb:
    cargo build --release -p keyward --features pg-bundled-tls
    packaging/debian/build

# A crowd of slow clients beside one that is not, in a release build.
crowd clients="2000":
    KEYWARD_CROWD={{clients}} cargo test --release -p keyward --test trouble -- crowd overload --nocapture --test-threads 1
