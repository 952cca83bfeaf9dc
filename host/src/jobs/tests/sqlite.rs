//! The suite over SQLite.

use super::behaviours::behaviours;

behaviours!(crate::jobs::tests::store::Store::sqlite);
