//! One suite of behaviours, run over each kind of database. A test is a function over a [`store::Store`]; a database joins by
//! naming its constructor at the bottom of a file like `sqlite.rs`.

mod behaviours;
mod kill;
mod postgres;
mod sqlite;
mod store;
mod suite;
