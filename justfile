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

# Run the tests of the archive in KurrentDB, with the feature it needs
kurrent:
    cargo nextest run -p journal -p ops -p stories --features kurrent -E 'test(kurrent)'

# Review snapshots that changed (cargo install cargo-insta)
snap:
    cargo insta test --workspace --test-runner nextest --review

# Write schemas/ again from the code, to be reviewed as a difference
schemas:
    RAPPORT_WRITE_SCHEMAS=1 cargo nextest run -p schemas -p ops -E 'binary(golden) or binary(states) or test(the_api_is_described)'

# Measure, and print a table
bench *args:
    cargo build --profile dist -p ops
    cargo bench --profile dist -p stories --bench rapport -- {{ args }}

# Count the instructions of the hot path, and compare them with what is kept (needs valgrind)
counts:
    cargo bench --profile dist -p stories --bench counts

# Throw faults at both profiles: just chaos --minutes 10 --seed 42
chaos *args:
    cargo build -p ops -p stories --bins
    cargo run -p stories --bin chaos -- {{ args }}

# Start the whole system with no server to install, on port 8000
demo:
    cargo run --release -- demo

# What CI runs
ci:
    ops/test
