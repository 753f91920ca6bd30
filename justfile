# The few commands of this repository. `just` lists them.

_default:
    @just --list --unsorted

# What must pass before a change is sent, in order, with timings
ci:
    .ci/run

# Sets up the databases that the tests need, then runs the tests whose name contains one of the words
test *words:
    cargo xtask test {{ words }}

# Formats and lints
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# Holds the invariants of ARCHITECTURE.md
tidy:
    cargo xtask tidy

# Writes the generated pages under docs/ anew
docs:
    cargo xtask docs

# Shows Cofferdam on a database of its own
demo:
    cargo run --release --package cofferdam -- demo
