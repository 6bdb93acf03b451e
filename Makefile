# The daily commands. `make demo` builds and shows the main job, `make check` passes the tests.

.PHONY: demo check fmt lint test docs deny

## Build, and compact a log directory that a real broker wrote
demo:
	cargo build --release --locked
	rm -rf target/demo
	target/release/logcompact compact testdata/broker-3.9.1 --now 1795300000000 --out target/demo

## All that must hold before a change lands
check: tools fmt lint test docs

.PHONY: tools
tools:
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

fmt:
	cargo fmt --check

lint:
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features -- -D warnings

test:
	cargo test --locked

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

## Licences, sources and bans of the dependencies; needs `cargo install cargo-deny`, no network
deny:
	cargo deny --offline check licenses bans sources
