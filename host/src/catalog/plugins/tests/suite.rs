//! The behaviours of the registry.

use serde_json::json;

use super::store::{FAILURES_MAX, Store};
use crate::{
    catalog::{
        ListCursor,
        plugins::{
            AliasChanges, CatalogError, Move, NewShadowRun, PluginAlias, Sharing, Standing, StoredPlugin, UploadState,
            Visibility, alias_history, change_alias, delete_alias, deprecate_plugin, disable_plugin, insert_plugin,
            insert_shadow_runs, list_aliases, list_plugins, list_shadow_runs, note_stop, plugin_report, promote,
            quarantine, quarantine_among, release, settle_plugin, share, sharing, stops,
        },
    },
    domain::{
        ids::{JobId, PluginId},
        plugin::World,
    },
};

fn code(plugin: &StoredPlugin) -> String {
    plugin.refusal().map(|problem| problem.code).unwrap_or_default()
}

pub(super) async fn a_version_never_changes_and_the_newest_usable_one_is_meant_by_a_name(store: Store) {
    let (db, team) = (&store.db, Some(&store.team));
    let insert = async |new| insert_plugin(db, &new).await;
    assert!(insert(store.draft(None, "1.9.0", "a").await).await.unwrap().1);
    assert!(!insert(store.draft(None, "1.9.0", "a").await).await.unwrap().1);
    let taken = insert(store.draft(None, "1.9.0", "b").await).await;
    assert!(matches!(taken, Err(CatalogError::VersionTaken { .. })));
    insert(store.draft(None, "1.10.0", "b").await).await.unwrap();
    let shipped = store.find("rule").await.unwrap();
    assert_eq!(shipped.label(), "rule@1.10.0");
    assert!(matches!(disable_plugin(db, &shipped).await, Err(CatalogError::NotYours { .. })));

    insert(store.draft(team, "0.1.0", "").await).await.unwrap();
    let newer = insert(store.draft(team, "0.2.0", "").await).await.unwrap().0;
    assert_eq!((newer.uploaded_by.as_ref(), newer.is_own), (Some(&store.key), true));
    assert_eq!(store.found("rule").await, "rule@0.2.0");
    assert_eq!(store.find_as_other("rule").await.unwrap().label(), "rule@1.10.0");
    assert!(matches!(store.find_as_other("rule@0.1.0").await, Err(CatalogError::NotFound { .. })));
    disable_plugin(db, &newer).await.unwrap();
    assert_eq!(store.found("rule").await, "rule@0.1.0");
    assert_eq!(store.find("rule@0.2.0").await.unwrap().standing(), Standing::Disabled);
    let listed = list_plugins(db, &store.team, Some("rule"), None, 10).await.unwrap();
    assert_eq!(listed.items.len(), 4);

    let mut changed = store.draft(team, "0.3.0", "").await;
    changed.description.world = World::Generator;
    assert!(matches!(insert_plugin(db, &changed).await, Err(CatalogError::OtherWorld { .. })));
}

pub(super) async fn a_version_that_has_not_passed_gives_way_to_other_bytes(store: Store) {
    let db = &store.db;
    let mut new = store.draft(Some(&store.team), "1.0.0", "first").await;
    new.state = UploadState::Compiled;
    let first = insert_plugin(db, &new).await.unwrap().0;
    assert_eq!((first.standing(), code(&first).as_str()), (Standing::Compiled, "plugin-untested"));
    let report = json!({ "conformance": { "fuel": 7 } });
    let first = settle_plugin(db, &first, UploadState::Rejected, &report).await.unwrap();
    assert_eq!(code(&first), "plugin-rejected");
    assert_eq!(plugin_report(db, &first.id).await.unwrap(), Some(report.clone()));

    let mut other = store.draft(Some(&store.team), "1.0.0", "second").await;
    other.state = UploadState::Compiled;
    let (second, is_new) = insert_plugin(db, &other).await.unwrap();
    assert!(is_new && second.hash != first.hash);
    assert_eq!(plugin_report(db, &second.id).await.unwrap(), None);
    // Whoever tested the bytes before comes too late.
    let late = settle_plugin(db, &first, UploadState::Active, &report).await;
    assert!(matches!(late, Err(CatalogError::VersionTaken { .. })));
    let second = settle_plugin(db, &second, UploadState::Active, &report).await.unwrap();
    assert_eq!(second.refusal(), None);
    assert!(matches!(insert_plugin(db, &new).await, Err(CatalogError::VersionTaken { .. })));
    let again = settle_plugin(db, &second, UploadState::Rejected, &report).await.unwrap();
    assert_eq!(again.state, UploadState::Active);
}

pub(super) async fn an_upload_that_failed_hides_nothing_that_is_shipped(store: Store) {
    insert_plugin(&store.db, &store.draft(None, "1.0.0", "shipped").await).await.unwrap();
    let mut new = store.draft(Some(&store.team), "2.0.0", "own").await;
    new.state = UploadState::Rejected;
    insert_plugin(&store.db, &new).await.unwrap();
    assert_eq!(store.found("rule").await, "rule@1.0.0");
    assert_eq!(store.find("rule@2.0.0").await.unwrap().standing(), Standing::Rejected);
}

pub(super) async fn an_alias_is_promoted_and_rolled_back_further_each_time(store: Store) {
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        store.version(version).await;
        store.promote("stable", version).await.unwrap();
        // A second time is no move.
        store.promote("stable", version).await.unwrap();
    }
    assert_eq!(store.found("rule@stable").await, "rule@1.2.0");
    let back = store.roll_back("stable").await.unwrap();
    assert_eq!((back.promotion.version.as_str(), back.promotion.how), ("1.1.0", Move::RolledBack));
    assert_eq!(store.roll_back("stable").await.unwrap().promotion.version, "1.0.0");
    assert!(matches!(store.roll_back("stable").await, Err(CatalogError::NothingEarlier { .. })));
    assert_eq!(store.found("rule@stable").await, "rule@1.0.0");
    store.promote("stable", "1.2.0").await.unwrap();
    assert_eq!(store.roll_back("stable").await.unwrap().promotion.version, "1.0.0");

    let history = alias_history(&store.db, &store.team, "rule", &"stable".parse().unwrap()).await.unwrap();
    let versions: Vec<&str> = history.iter().map(|moved| moved.version.as_str()).collect();
    assert_eq!(versions, ["1.0.0", "1.2.0", "1.0.0", "1.1.0", "1.2.0", "1.1.0", "1.0.0"]);
    assert!(history.iter().all(|moved| moved.key.as_ref() == Some(&store.key)));
    assert!(matches!(store.roll_back("canary").await, Err(CatalogError::NotFound { .. })));
}

pub(super) async fn a_name_alone_means_stable_once_something_was_promoted(store: Store) {
    store.version("1.0.0").await;
    store.version("2.0.0").await;
    assert_eq!(store.found("rule").await, "rule@2.0.0");
    store.promote("canary", "2.0.0").await.unwrap();
    store.promote("stable", "1.0.0").await.unwrap();
    assert_eq!(store.found("rule").await, "rule@1.0.0");
    assert_eq!(store.found("rule@canary").await, "rule@2.0.0");
    assert!(matches!(store.find("rule@beta").await, Err(CatalogError::NotFound { .. })));
    assert_eq!(list_aliases(&store.db, &store.team, "rule").await.unwrap().len(), 2);
}

pub(super) async fn what_cannot_be_used_is_not_promoted_and_passed_over_on_the_way_back(store: Store) {
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        store.version(version).await;
        store.promote("stable", version).await.unwrap();
    }
    let middle = store.find("rule@1.1.0").await.unwrap();
    disable_plugin(&store.db, &middle).await.unwrap();
    assert!(matches!(store.promote("canary", "1.1.0").await, Err(CatalogError::Refused(_))));
    assert_eq!(store.roll_back("stable").await.unwrap().promotion.version, "1.0.0");
    insert_plugin(&store.db, &store.draft(None, "9.0.0", "shipped").await).await.unwrap();
    let shipped = store.find_as_other("rule").await.unwrap();
    let refused = promote(&store.db, &shipped, &"stable".parse().unwrap(), &store.key, 2).await;
    assert!(matches!(refused, Err(CatalogError::NotYours { .. })));
}

pub(super) async fn a_plugin_has_as_many_aliases_as_it_may_and_not_one_more(store: Store) {
    store.version("1.0.0").await;
    store.promote("stable", "1.0.0").await.unwrap();
    store.promote("canary", "1.0.0").await.unwrap();
    let refused = store.promote("third", "1.0.0").await;
    assert!(matches!(refused, Err(CatalogError::TooManyAliases { limit: 2, .. })));
}

pub(super) async fn a_deleted_alias_names_nothing(store: Store) {
    store.version("1.0.0").await;
    store.promote("canary", "1.0.0").await.unwrap();
    let canary = "canary".parse().unwrap();
    delete_alias(&store.db, &store.team, "rule", &canary).await.unwrap();
    assert!(matches!(store.find("rule@canary").await, Err(CatalogError::NotFound { .. })));
    let again = delete_alias(&store.db, &store.team, "rule", &canary).await;
    assert!(matches!(again, Err(CatalogError::NotFound { .. })));
}

pub(super) async fn a_version_is_quarantined_by_the_last_job_of_the_limit_and_not_before(store: Store) {
    let plugin = store.version("1.0.0").await;
    let job = JobId::random();
    // A job counts once, however many of its tasks crash.
    for _ in 0..FAILURES_MAX {
        assert_eq!(store.crash(&store.team, &plugin, &job).await, None);
    }
    assert_eq!(store.crashes(&store.team, &plugin, FAILURES_MAX - 2).await, None);
    assert_eq!(store.find("rule").await.unwrap().refusal(), None);
    let quarantined = store.crashes(&store.team, &plugin, 1).await.unwrap();
    assert_eq!((quarantined.label.as_str(), quarantined.moved.len()), ("rule@1.0.0", 0));
    let held = store.find("rule@1.0.0").await.unwrap();
    assert_eq!((held.standing(), code(&held).as_str()), (Standing::Quarantined, "plugin-quarantined"));
    assert!(held.refusal().unwrap().detail.contains("in 3 jobs within 1 h"), "{held:?}");
    // Told once.
    assert_eq!(store.crashes(&store.team, &plugin, 1).await, None);
}

pub(super) async fn failures_of_one_team_do_not_hold_a_version_back_for_another(store: Store) {
    let shipped = insert_plugin(&store.db, &store.draft(None, "1.0.0", "shipped").await).await.unwrap().0;
    store.crashes(&store.other, &shipped, FAILURES_MAX).await.unwrap();
    assert_eq!(store.find("rule").await.unwrap().refusal(), None);
    let held = store.find_as_other("rule").await.unwrap();
    assert_eq!(held.standing(), Standing::Quarantined);
    let released = release(&store.db, &store.other, &held, &store.key).await.unwrap();
    assert_eq!(released.refusal(), None);
}

pub(super) async fn failures_before_a_release_or_the_window_do_not_count(store: Store) {
    let plugin = store.version("1.0.0").await;
    store.crashes(&store.team, &plugin, FAILURES_MAX).await.unwrap();
    release(&store.db, &store.team, &plugin, &store.key).await.unwrap();
    let twice = release(&store.db, &store.team, &plugin, &store.key).await;
    assert!(matches!(twice, Err(CatalogError::NotQuarantined { .. })));
    store.execute("UPDATE plugin_failures SET at_us = at_us - 1000").await;
    store.execute("UPDATE plugin_quarantines SET lifted_us = lifted_us - 500").await;
    assert_eq!(store.crashes(&store.team, &plugin, FAILURES_MAX - 1).await, None);
    store.execute("UPDATE plugin_failures SET at_us = at_us - 3600000000").await;
    assert_eq!(store.crashes(&store.team, &plugin, FAILURES_MAX - 1).await, None);
    assert!(store.crashes(&store.team, &plugin, 1).await.is_some());
}

pub(super) async fn what_the_owner_holds_back_is_held_back_for_all_until_the_owner_releases_it(store: Store) {
    let plugin = store.version("1.0.0").await;
    let public = Sharing { visibility: Visibility::Public, ..Sharing::default() };
    share(&store.db, &store.team, "rule", &public).await.unwrap();
    quarantine(&store.db, &store.team, &plugin, "Vetoes everything.", &store.key).await.unwrap().unwrap();
    assert_eq!(quarantine(&store.db, &store.team, &plugin, "Again.", &store.key).await.unwrap(), None);
    let seen = store.find_as_other("owners/rule@1.0.0").await.unwrap();
    assert_eq!(seen.refusal().unwrap().detail, "owners/rule@1.0.0 is held back: Vetoes everything.");
    let refused = release(&store.db, &store.other, &seen, &store.key).await;
    assert!(matches!(refused, Err(CatalogError::NotYours { .. })));
    release(&store.db, &store.team, &plugin, &store.key).await.unwrap();
    assert_eq!(store.find_as_other("owners/rule").await.unwrap().refusal(), None);
}

pub(super) async fn an_alias_that_falls_back_goes_to_the_version_before_and_another_stays(store: Store) {
    for version in ["1.0.0", "1.1.0"] {
        store.version(version).await;
        store.promote("stable", version).await.unwrap();
        store.promote("canary", version).await.unwrap();
    }
    store.fall_back("stable").await;
    let newest = store.find("rule@1.1.0").await.unwrap();
    let quarantined = store.crashes(&store.team, &newest, FAILURES_MAX).await.unwrap();
    let moved: Vec<_> = quarantined.moved.iter().map(|moved| (moved.alias.as_str(), moved.version.as_str())).collect();
    assert_eq!(moved, [("stable", "1.0.0")]);
    let stable = store.alias("stable").await;
    assert_eq!((stable.promotion.how, stable.promotion.key, stable.falls_back), (Move::FellBack, None, true));
    assert_eq!(store.find("rule").await.unwrap().refusal(), None);
    assert_eq!(code(&store.find("rule@canary").await.unwrap()), "plugin-quarantined");
    // Nothing is left to fall back to.
    let oldest = store.find("rule@1.0.0").await.unwrap();
    assert_eq!(store.crashes(&store.team, &oldest, FAILURES_MAX).await.unwrap().moved.len(), 0);
    assert_eq!(code(&store.find("rule").await.unwrap()), "plugin-quarantined");
}

pub(super) async fn a_plugin_is_seen_by_those_it_is_shared_with_by_its_owners_name_only(store: Store) {
    store.version("1.0.0").await;
    store.promote("stable", "1.0.0").await.unwrap();
    let (db, team) = (&store.db, &store.team);
    let is_seen = async || store.find_as_other("owners/rule@stable").await.is_ok();
    assert!(!is_seen().await);
    assert_eq!(sharing(db, team, "rule").await.unwrap(), Sharing::default());
    let with = Sharing { visibility: Visibility::Teams, teams: vec![store.other.clone()], names: Vec::new() };
    share(db, team, "rule", &with).await.unwrap();
    assert!(is_seen().await);
    assert_eq!(sharing(db, team, "rule").await.unwrap().names, ["others"]);
    assert_eq!(store.find_as_other("owners/rule").await.unwrap().label(), "owners/rule@1.0.0");
    assert!(matches!(store.find_as_other("rule").await, Err(CatalogError::NotFound { .. })));
    assert_eq!(list_plugins(db, &store.other, None, None, 10).await.unwrap().items.len(), 1);
    let foreign = store.find_as_other("owners/rule").await.unwrap();
    assert!(matches!(disable_plugin(db, &foreign).await, Err(CatalogError::NotYours { .. })));

    let mut untested = store.draft(Some(team), "2.0.0", "").await;
    untested.state = UploadState::Compiled;
    insert_plugin(db, &untested).await.unwrap();
    assert!(store.find_as_other("owners/rule@2.0.0").await.is_err());
    for visibility in [Visibility::Public, Visibility::Private] {
        share(db, team, "rule", &Sharing { visibility, ..Sharing::default() }).await.unwrap();
        assert_eq!(is_seen().await, visibility == Visibility::Public);
    }
    let unknown = share(db, team, "nothing", &Sharing::default()).await;
    assert!(matches!(unknown, Err(CatalogError::NotFound { .. })));
}

pub(super) async fn a_deprecated_version_can_be_used_and_says_what_its_owner_says(store: Store) {
    let plugin = store.version("1.0.0").await;
    let told = deprecate_plugin(&store.db, &plugin, Some("Use 2.x.")).await.unwrap();
    assert_eq!((told.standing(), told.deprecation.as_deref()), (Standing::Deprecated, Some("Use 2.x.")));
    assert_eq!(told.refusal(), None);
    assert_eq!(deprecate_plugin(&store.db, &plugin, None).await.unwrap().standing(), Standing::Active);
}

pub(super) async fn a_rerun_is_refused_where_a_version_of_its_plan_is_held_back(store: Store) {
    let (first, second) = (store.version("1.0.0").await, store.version("2.0.0").await);
    let among = async |ids: &[PluginId]| quarantine_among(&store.db, &store.team, ids).await.unwrap();
    let plan = [first.id.clone(), second.id.clone(), PluginId::random()];
    assert_eq!(among(&plan).await, None);
    quarantine(&store.db, &store.team, &second, "Wrong.", &store.key).await.unwrap();
    assert_eq!(among(&plan).await.unwrap().plugin.as_deref(), Some("rule@2.0.0"));
    assert_eq!(among(&plan[..1]).await, None);
}

pub(super) async fn what_runs_beside_an_alias_is_set_and_taken_away(store: Store) {
    store.version("1.0.0").await;
    store.promote("stable", "1.0.0").await.unwrap();
    let change = async |falls_back: Option<bool>, shadow: Option<Option<&str>>| {
        let shadow = shadow.map(|shadow| shadow.map(|which| which.parse().unwrap()));
        let changes = AliasChanges { falls_back, shadow };
        change_alias(&store.db, &store.team, "rule", &"stable".parse().unwrap(), &changes).await.unwrap()
    };
    let beside = |alias: PluginAlias| (alias.falls_back, alias.shadow.map(|which| which.to_string()));
    assert_eq!(beside(change(None, Some(Some("canary"))).await), (false, Some("canary".to_owned())));
    assert_eq!(beside(change(Some(true), None).await), (true, Some("canary".to_owned())));
    // It stays with the alias wherever that goes.
    store.version("1.1.0").await;
    assert_eq!(beside(store.promote("stable", "1.1.0").await.unwrap()), (true, Some("canary".to_owned())));
    assert_eq!(beside(change(None, Some(None)).await), (true, None));
}

pub(super) async fn what_came_of_a_candidate_is_listed_for_its_team_newest_first(store: Store) {
    let (promoted, candidate) = (store.version("1.0.0").await, store.version("1.1.0").await);
    let jobs = [JobId::random(), JobId::random()];
    for (job, agreed) in jobs.iter().zip([5, 7]) {
        let report = json!({ "agreed": agreed });
        let run = NewShadowRun { promoted: promoted.id.clone(), candidate: candidate.id.clone(), report };
        // A report that is put together twice is noted once.
        for _ in 0..2 {
            insert_shadow_runs(&store.db, &store.team, job, std::slice::from_ref(&run)).await.unwrap();
        }
        store.execute("UPDATE shadow_runs SET at_us = at_us - 1000").await;
    }
    let list = async |team, after: Option<&ListCursor>| {
        list_shadow_runs(&store.db, team, &candidate.id, after, 1).await.unwrap()
    };
    let first = list(&store.team, None).await;
    assert_eq!((&first.items[0].job, &first.items[0].report), (&jobs[1], &json!({ "agreed": 7 })));
    let second = list(&store.team, first.next.as_ref()).await;
    assert_eq!((&second.items[0].job, second.next), (&jobs[0], None));
    assert!(list(&store.other, None).await.items.is_empty());
}

pub(super) async fn a_job_counts_once_for_each_way_in_which_a_version_failed_it(store: Store) {
    let plugin = store.version("1.0.0").await;
    let jobs = [JobId::random(), JobId::random()];
    for (job, code) in [(0, "plugin-trapped"), (0, "plugin-trapped"), (1, "plugin-trapped"), (1, "plugin-out-of-fuel")]
    {
        note_stop(&store.db, &plugin.id, &store.team, &jobs[job], code).await.unwrap();
    }
    let found = stops(&store.db, &store.team, &plugin.id).await.unwrap();
    let found: Vec<_> = found.iter().map(|stops| (stops.code.as_str(), stops.jobs)).collect();
    assert_eq!(found, [("plugin-out-of-fuel", 1), ("plugin-trapped", 2)]);
    assert!(stops(&store.db, &store.other, &plugin.id).await.unwrap().is_empty());
}

pub(super) async fn a_failure_is_counted_once_however_many_write_it_down_at_once(store: Store) {
    let plugin = store.version("1.0.0").await;
    let jobs: Vec<JobId> = (0..FAILURES_MAX).map(|_| JobId::random()).collect();
    // Every job is written down by several workers at the same time.
    let crashes = jobs.iter().cycle().take(3 * jobs.len()).map(|job| store.crash(&store.team, &plugin, job));
    let told = futures_util::future::join_all(crashes).await;
    assert_eq!(told.into_iter().flatten().count(), 1);
}
