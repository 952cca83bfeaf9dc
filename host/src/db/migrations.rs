//! The schema's history, compiled into the binary. A migration that has been released is never edited: its checksum is in the
//! databases it was applied to.

use sqlx::{
    AssertSqlSafe, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

use super::Dialect;

macro_rules! migration {
    ($version:literal, $name:literal) => {
        ($version, $name, include_str!(concat!("../../migrations/000", $version, "_", $name, ".sql")))
    };
}

const FILES: [(i64, &str, &str); 9] = [
    migration!(1, "jobs"),
    migration!(2, "catalog"),
    migration!(3, "auth"),
    migration!(4, "idempotency"),
    migration!(5, "fair_share"),
    migration!(6, "attempt_cost"),
    migration!(7, "webhooks"),
    migration!(8, "schedules"),
    migration!(9, "job_history"),
];

/// The newest version.
pub const NEWEST: i64 = FILES[FILES.len() - 1].0;

/// All migrations, oldest first.
pub fn migrator(dialect: Dialect) -> Migrator {
    let migrations = FILES.map(|(version, name, text)| {
        // Safe: a file of this repository.
        let sql = AssertSqlSafe(dialect.migration(version, text)).into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_they_are_numbered_without_gaps() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), FILES.len());
        assert!(FILES.iter().map(|file| file.0).eq(1..=NEWEST));
    }
}
