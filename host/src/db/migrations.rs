//! The schema's history, compiled into the binary. A migration that has been released is never edited: its checksum is in the
//! databases it was applied to.

use std::sync::LazyLock;

use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

macro_rules! migration {
    ($version:literal, $name:literal) => {
        ($version, $name, include_str!(concat!("../../migrations/000", $version, "_", $name, ".sql")))
    };
}

const FILES: [(i64, &str, &str); 5] = [
    migration!(1, "jobs"),
    migration!(2, "catalog"),
    migration!(3, "auth"),
    migration!(4, "idempotency"),
    migration!(5, "fair_share"),
];

/// All migrations, oldest first.
pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let migrations = FILES.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.into())
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_they_are_numbered_without_gaps() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), FILES.len());
        assert!(FILES.iter().map(|file| file.0).eq(1..=FILES.len() as i64));
    }
}
