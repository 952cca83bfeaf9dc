//! Which race a slate is for: one of the catalog, or one to come whose entries are made from the slate itself.

use super::{error::ApiError, slates::ImportQuery, state::ApiState};
use crate::{
    auth::Principal,
    catalog::{
        self, CatalogError, SlateRace,
        history::HistoryError,
        limits::RACE_LAPS_MAX,
        race_file::{RaceDraft, parse_race_key},
        slate_file::SlateFile,
        slate_match::NameReport,
        upcoming::entries_from_slate,
    },
    domain::{
        ids::RaceId,
        problem::Problem,
        race::{Race, RaceEntry, TrackType},
        spec::HistorySpec,
    },
};

/// Past races in which drivers of a race to come are looked for: some three seasons.
const PAST_RACES: u32 = 108;

/// The race of a slate.
pub struct FoundRace {
    /// The race, or the one to be stored with the slate.
    pub race: SlateRace,
    /// Its entries.
    pub entries: Vec<RaceEntry>,
    /// How names were matched to drivers of past races, where the race is made from the slate.
    pub report: Option<NameReport>,
}

/// The race that the request names, made from the slate where the request describes it.
///
/// # Errors
/// `invalid-input` where the description is not complete, `not-found` where there is no such race, `conflict` where a race that is
/// described as one to come has been run, `invalid-file` where the slate lacks start positions.
pub async fn find_or_make(
    state: &ApiState,
    principal: &Principal,
    query: &ImportQuery,
    slate: &SlateFile,
) -> Result<FoundRace, ApiError> {
    let is_described = query.track.is_some() || query.track_type.is_some() || query.race_laps.is_some();
    if is_described {
        let described = described(query)?;
        return make(state, principal, described, slate).await;
    }
    let race = find(state, principal, &query.race).await?;
    Ok(FoundRace { race: SlateRace::Stored(race.id), entries: race.entries, report: None })
}

async fn find(state: &ApiState, principal: &Principal, named: &str) -> Result<Race, ApiError> {
    if let Ok(id) = named.parse::<RaceId>() {
        return Ok(catalog::race(state.db(), &principal.team, &id).await?);
    }
    let (season, number) = parse_race_key(named).ok_or_else(|| not_a_race(named))?;
    let found = catalog::race_by_key(state.db(), &principal.team, season, number).await?;
    found.ok_or_else(|| unknown_race(named).into())
}

fn not_a_race(named: &str) -> Problem {
    let named: String = named.chars().take(80).collect();
    let detail = format!("`{named}` is neither the id nor the key of a race.");
    Problem::invalid("race", detail, "Send an id (`race_...`), or season and number (`2026-08`).")
}

fn unknown_race(key: &str) -> Problem {
    let detail = format!("The team has no race {key}.");
    let action = "Import its entry list first, or describe it: track, track_type and race_laps.";
    Problem::new("not-found", "There is no such thing", detail, action).at("race")
}

/// A race to come as the request describes it, without entries.
fn described(query: &ImportQuery) -> Result<RaceDraft, ApiError> {
    let (season, number) = parse_race_key(&query.race).ok_or_else(|| {
        Problem::invalid("race", "A race to come is named by its key.", "Send season and number, such as `2026-08`.")
    })?;
    let track = query.track.as_deref().map(str::trim).filter(|track| !track.is_empty());
    let track = track.ok_or_else(|| incomplete("track", "the name of the track"))?.to_owned();
    let kinds = TrackType::ALL.map(TrackType::as_str).join(", ");
    let track_type = query.track_type.as_deref().and_then(TrackType::from_name);
    let track_type = track_type.ok_or_else(|| incomplete("track_type", &format!("one of {kinds}")))?;
    let laps = format!("1..={RACE_LAPS_MAX} laps");
    let race_laps = query.race_laps.filter(|given| (1..=RACE_LAPS_MAX).contains(given));
    let race_laps = race_laps.ok_or_else(|| incomplete("race_laps", &laps).with_limit(laps.clone()))?;
    let name = query.race_name.as_deref().map(str::trim).filter(|name| !name.is_empty()).unwrap_or(&track).to_owned();
    Ok(RaceDraft { season, number, name, track, track_type, race_laps, entries: Vec::new() })
}

fn incomplete(field: &str, what: &str) -> Problem {
    let detail = format!("A race to come needs {field}, and it is missing or not valid.");
    Problem::invalid(field, detail, format!("Send {what}."))
}

/// The race to come, with entries from the slate. Importing a slate again replaces them, so that drivers can change late.
async fn make(
    state: &ApiState,
    principal: &Principal,
    mut draft: RaceDraft,
    slate: &SlateFile,
) -> Result<FoundRace, ApiError> {
    let (db, team, key) = (state.db(), &principal.team, draft.key());
    let known = catalog::race_by_key(db, team, draft.season, draft.number).await?;
    if known.is_some_and(|race| race.has_results()) {
        let detail = format!("Race {key} has results.");
        let action = "Leave out track, track_type and race_laps to use the race as it is, or send another key.";
        return Err(Problem::new("conflict", "The race has been run", detail, action).at("race").into());
    }
    let past = HistorySpec { before: Some(key), trailing_races: PAST_RACES, ..HistorySpec::default() };
    let past = match catalog::history_races(db, team, &past, state.catalog()).await {
        // A team's first race has no past; its drivers are all new.
        Err(CatalogError::History(HistoryError::NoRaces { .. })) => Vec::new(),
        races => races?,
    };
    let upcoming = entries_from_slate(slate, &past, state.catalog())?;
    draft.entries.clone_from(&upcoming.entries);
    Ok(FoundRace { race: SlateRace::New(draft), entries: upcoming.entries, report: Some(upcoming.report) })
}
