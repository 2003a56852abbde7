# What is compiled, and nothing else, so that no other change builds the package anew. The
# crate's documentation includes ARCHITECTURE.md, and the package names README.md.
[
  ../ARCHITECTURE.md
  ../Cargo.lock
  ../Cargo.toml
  ../README.md
  ../src
]
