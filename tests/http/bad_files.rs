//! Files that cannot be imported: each is answered with the row and column of the mistake, and nothing is stored.

use crate::server::Server;

const RACES: &str =
    "season,race_no,track,track_type,race_laps,driver,team,make,start,finish,laps_completed,laps_led,retired
2030,1,Hill,short,100,Ada Lane,Red,Volt,1,1,100,60,0
2030,1,Hill,short,100,Bo Quill,Red,Volt,2,2,100,40,0
2030,1,Hill,short,100,Cy Marsh,Blue,Amp,3,3,97,0,1
";

const SLATE: &str = "driver,salary
Ada Lane,9000
Bo Quill,8000
Cy Marsh,7000
";

/// The good file with one thing changed.
fn races(from: &str, to: &str) -> String {
    let changed = RACES.replacen(from, to, 1);
    assert_ne!(changed, RACES, "`{from}` is not in the file");
    changed
}

fn slate(from: &str, to: &str) -> String {
    let changed = SLATE.replacen(from, to, 1);
    assert_ne!(changed, SLATE, "`{from}` is not in the file");
    changed
}

#[test]
fn a_bad_file_of_races_is_refused_with_row_and_column_and_nothing_of_it_is_stored() {
    let server = Server::start();
    let key = server.key("ours", "read,submit");
    let cases = [
        ("a duplicate driver", races("Bo Quill", "ada  lane"), "row 3, column driver", "duplicate-driver"),
        ("a missing column", races("laps_led", "laps_ledd"), "column laps_led", "missing-column"),
        ("a start twice", races("Volt,2,2", "Volt,1,2"), "row 3, column start", "duplicate-position"),
        ("a start past the field", races("Amp,3,3", "Amp,4,3"), "row 4, column start", "out-of-range"),
        ("a start that is no number", races("Amp,3,3", "Amp,x,3"), "row 4, column start", "bad-number"),
        ("more laps led than completed", races("97,0,1", "97,98,1"), "row 4, column laps_led", "out-of-range"),
        ("no driver", races("Cy Marsh", ""), "row 4, column driver", "missing-value"),
        (
            "an unknown kind of track",
            races("Hill,short", "Hill,tiny"),
            "row 2, column track_type",
            "unknown-track-type",
        ),
        ("a cell too few", races(",97,0,1", ",97,0"), "row 4", "ragged-row"),
        ("results for some only", races("3,3,97", "3,,97"), "row 4, column finish", "partial-results"),
    ];
    for (what, file, place, code) in &cases {
        let answer = server.post(&key, "/v1/races", "text/csv", file.as_bytes());
        assert_eq!(answer.verdict(), (422, "invalid-file", Some(*place)), "{what}: {}", answer.body);
        assert_eq!(answer.body["issues"][0]["code"], *code, "{what}: {}", answer.body);
        assert!(answer.body["action"].as_str().is_some_and(|action| !action.is_empty()), "{what}");
    }
    let empty = server.post(&key, "/v1/races", "text/csv", b"");
    assert_eq!(empty.verdict(), (422, "invalid-file", None), "{}", empty.body);
    let latin = server.post(&key, "/v1/races", "text/csv", b"driver\nJos\xe9\n");
    assert_eq!(latin.verdict(), (400, "malformed-body", Some("row 2")), "{}", latin.body);
    let map = server.post(&key, "/v1/races?columns=%7B%22colour%22%3A%22x%22%7D", "text/csv", RACES.as_bytes());
    assert_eq!(map.verdict(), (422, "invalid-input", Some("columns")), "{}", map.body);
    let json = server.post(&key, "/v1/races", "application/json", b"{}");
    assert_eq!(json.verdict(), (415, "unsupported-media-type", Some("Content-Type")), "{}", json.body);
    assert_eq!(server.get(&key, "/v1/races").body["items"], serde_json::json!([]));
}

#[test]
fn a_bad_slate_is_refused_with_row_and_column_and_nothing_of_it_is_stored() {
    let server = Server::start();
    let key = server.key("ours", "read,submit");
    assert_eq!(server.post(&key, "/v1/races", "text/csv", RACES.as_bytes()).status, 200);
    let good = "/v1/slates?name=Sunday&contest=draftkings-nascar-classic-2021&race=2030-01";
    let rows = [
        ("a negative salary", slate("8000", "-8000"), "row 3, column salary"),
        ("a salary past the limit", slate("8000", "1000001"), "row 3, column salary"),
        ("no salary", slate("8000", ""), "row 3, column salary"),
        ("an unknown driver", slate("Cy Marsh", "Dan Zeller"), "row 4, column driver"),
        ("a duplicate driver", slate("Cy Marsh", "Ada Lane"), "row 4, column driver"),
        ("a missing column", slate("salary", "wage"), "column salary"),
    ];
    for (what, file, place) in &rows {
        let answer = server.post(&key, good, "text/csv", file.as_bytes());
        assert_eq!(answer.verdict(), (422, "invalid-file", Some(*place)), "{what}: {}", answer.body);
    }
    let queries = [
        ("no contest", "/v1/slates?name=Sunday&race=2030-01", 400, "malformed-query", "contest"),
        ("an unknown contest", "/v1/slates?name=Sunday&contest=poker&race=2030-01", 422, "invalid-input", "contest"),
        ("no name", "/v1/slates?name=&contest=fanduel-nascar-2016&race=2030-01", 422, "invalid-input", "name"),
        (
            "an unknown race",
            "/v1/slates?name=Sunday&contest=fanduel-nascar-2016&race=2031-01",
            404,
            "not-found",
            "race",
        ),
        (
            "nonsense for a race",
            "/v1/slates?name=Sunday&contest=fanduel-nascar-2016&race=soon",
            422,
            "invalid-input",
            "race",
        ),
    ];
    for (what, path, status, code, field) in queries {
        let answer = server.post(&key, path, "text/csv", SLATE.as_bytes());
        assert_eq!(answer.verdict(), (status, code, Some(field)), "{what}: {}", answer.body);
    }
    assert_eq!(server.get(&key, "/v1/slates").body["items"], serde_json::json!([]));
}
