//! Whatever is imported, reading it gives rows that can be used or issues that can be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use paddock::catalog::{
    CatalogLimits,
    columns::ColumnMap,
    race_file::{parse_race_key, read_races},
    slate_file::read_slate,
};

fuzz_target!(|bytes: &[u8]| {
    let (map, limits) = (ColumnMap::default(), CatalogLimits::default());
    match read_races(bytes, &map, &limits) {
        Ok(file) => {
            for race in file.races {
                assert!(parse_race_key(&race.key()).is_some(), "{}", race.key());
            }
        }
        Err(rejected) => assert!(!rejected.to_problem().detail.is_empty()),
    }
    if let Err(rejected) = read_slate(bytes, &map, &limits) {
        assert!(!rejected.to_problem().detail.is_empty());
    }
});
