# Shorthands; `./run` needs nothing installed and does the same.

default:
    @just --list

demo *ARGS:
    ./run demo {{ARGS}}

test *ARGS:
    ./run test {{ARGS}}

# Format, and mend what the linter can mend.
tidy:
    uv run ruff format .
    uv run ruff check --fix .

