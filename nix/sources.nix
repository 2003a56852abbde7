# What is compiled, and nothing else, so that no other change builds the package anew.
[
  ../Cargo.lock
  ../Cargo.toml
  ../src
]
