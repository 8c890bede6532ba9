# What a developer types. `just` alone lists it; `ops/test` is what CI runs.

_default:
    @just --list

# Lay out the code
fmt:
    cargo fmt --all

# Everything that reads the code without running it
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny check
    typos

# Run the tests, all or those whose name matches
test *filter:
    cargo nextest run --workspace {{ filter }}

# Review snapshots that changed (cargo install cargo-insta)
snap:
    cargo insta test --workspace --test-runner nextest --review

# Measure, and print a table
bench *args:
    cargo bench -p stories {{ args }}

# Start the whole system with no server to install, on port 8000
demo:
    cargo run --release -- demo

# What CI runs
ci:
    ops/test
