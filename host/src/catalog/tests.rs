//! What the rest of the service relies on: a team sees its own rows only, imports can be repeated, versions never change.

use super::*;
use crate::{
    db::{Db, DbConfig},
    domain::{
        ids::{RaceId, SlateId, TeamId},
        race::{EntryResult, RaceEntry, TrackType},
        slate::SlateEntry,
        spec::HistorySpec,
    },
};

struct Fixture {
    db: Db,
    team: TeamId,
    other: TeamId,
    _directory: tempfile::TempDir,
}

async fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let config = DbConfig::in_directory(directory.path());
    let db = Db::open(&config).await.unwrap();
    let (team, other) = (TeamId::random(), TeamId::random());
    let mut tx = db.write().await.unwrap();
    for id in [&team, &other] {
        let insert = sqlx::query("INSERT INTO teams (id, name, created_us) VALUES ($1, $1, 0)").bind(id.as_str());
        insert.execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    Fixture { db, team, other, _directory: directory }
}

fn entry(driver: &str, start: u16, finish: Option<u16>) -> RaceEntry {
    let result = finish.map(|finish| EntryResult {
        finish,
        laps_completed: 100,
        laps_led: 0,
        fastest_laps: None,
        retired: false,
    });
    RaceEntry {
        driver: driver.to_owned(),
        car_no: String::new(),
        team: "Team".to_owned(),
        make: String::new(),
        start,
        result,
    }
}

fn draft(number: u16, entries: Vec<RaceEntry>) -> race_file::RaceDraft {
    race_file::RaceDraft {
        season: 2031,
        number,
        name: format!("Race {number}"),
        track: "Oval".to_owned(),
        track_type: TrackType::Intermediate,
        race_laps: 100,
        entries,
    }
}

fn run_race(number: u16) -> race_file::RaceDraft {
    draft(number, vec![entry("Ann Ash", 2, Some(1)), entry("Bo Birch", 1, Some(2))])
}

#[tokio::test]
async fn an_import_can_be_repeated_and_a_changed_race_keeps_its_id() {
    let Fixture { db, team, .. } = &fixture().await;
    let coming = draft(2, vec![entry("Bo Birch", 1, None), entry("Ann Ash", 2, None)]);
    let first = insert_races(db, team, &[run_race(1), coming]).await.unwrap();
    assert_eq!((first.inserted, first.replaced, first.unchanged), (2, 0, 0));
    let before = race_by_key(db, team, 2031, 2).await.unwrap().unwrap();
    let second = insert_races(db, team, &[run_race(1), run_race(2)]).await.unwrap();
    assert_eq!((second.inserted, second.replaced, second.unchanged), (0, 1, 1));
    let after = race(db, team, &before.id).await.unwrap();
    assert!(!before.has_results() && after.has_results());
}

#[tokio::test]
async fn a_foreign_row_is_told_from_one_that_does_not_exist() {
    let Fixture { db, team, other, .. } = &fixture().await;
    insert_races(db, team, &[run_race(1)]).await.unwrap();
    let id = race_by_key(db, team, 2031, 1).await.unwrap().unwrap().id;
    assert!(matches!(race(db, other, &id).await, Err(CatalogError::NotYours { .. })));
    assert!(matches!(race(db, team, &RaceId::random()).await, Err(CatalogError::NotFound { .. })));
    assert!(list_races(db, other, None, 10).await.unwrap().items.is_empty());
    assert!(matches!(slate(db, team, &SlateId::random()).await, Err(CatalogError::NotFound { .. })));
}

#[tokio::test]
async fn a_history_is_the_latest_races_with_results_oldest_first() {
    let Fixture { db, team, .. } = &fixture().await;
    let coming = draft(5, vec![entry("Ann Ash", 1, None), entry("Bo Birch", 2, None)]);
    insert_races(db, team, &[run_race(3), run_race(1), run_race(4), run_race(2), coming]).await.unwrap();
    let limits = CatalogLimits { history_races_max: 4, ..CatalogLimits::default() };
    let keys = async |before: Option<&str>, trailing_races| {
        let spec = HistorySpec { before: before.map(str::to_owned), trailing_races, ..HistorySpec::default() };
        let races = history_races(db, team, &spec, &limits).await;
        races.map(|races| races.iter().map(|race| race.key()).collect::<Vec<_>>())
    };
    assert_eq!(keys(None, 2).await.unwrap(), ["2031-03", "2031-04"]);
    assert_eq!(keys(Some("2031-03"), 4).await.unwrap(), ["2031-01", "2031-02"]);
    for (before, trailing_races) in [(Some("2031-01"), 4), (Some("soon"), 4), (None, 0), (None, 5)] {
        assert!(
            matches!(keys(before, trailing_races).await, Err(CatalogError::History(_))),
            "{before:?} {trailing_races}"
        );
    }
}

#[tokio::test]
async fn a_slate_finds_its_drivers_by_name_after_the_race_was_run() {
    let Fixture { db, team, .. } = &fixture().await;
    let coming = draft(1, vec![entry("Bo Birch", 1, None), entry("Ann Ash", 2, None)]);
    let picks = |places: [u16; 2]| {
        ["Bo Birch", "Ann Ash"].into_iter().zip(places).map(|(driver, race_entry)| SlateEntry {
            driver: driver.to_owned(),
            external_id: None,
            salary_usd: 8_000,
            positions: vec!["D".to_owned()],
            race_entry,
        })
    };
    let new = NewSlate {
        name: "Main".to_owned(),
        contest: "draftkings-nascar-classic-2021".to_owned(),
        race: SlateRace::New(coming),
        entries: picks([0, 1]).collect(),
    };
    let stored = insert_slate(db, team, new).await.unwrap();
    assert_eq!(slate(db, team, &stored.id).await.unwrap(), stored);
    insert_races(db, team, &[run_race(1)]).await.unwrap();
    let after = slate(db, team, &stored.id).await.unwrap();
    assert_eq!(after.entries, picks([1, 0]).collect::<Vec<_>>());
    insert_races(db, team, &[draft(1, vec![entry("Ann Ash", 1, Some(1)), entry("Cy Cedar", 2, Some(2))])])
        .await
        .unwrap();
    assert!(matches!(slate(db, team, &stored.id).await, Err(CatalogError::SlateOutdated { .. })));
}

#[tokio::test]
async fn pages_go_from_the_latest_to_the_oldest_without_gaps() {
    let Fixture { db, team, .. } = &fixture().await;
    let races: Vec<_> = (1..=5).map(run_race).collect();
    insert_races(db, team, &races).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = list_races(db, team, after.as_ref(), 2).await.unwrap();
        seen.extend(page.items.into_iter().map(|race| race.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["2031-05", "2031-04", "2031-03", "2031-02", "2031-01"]);
}
