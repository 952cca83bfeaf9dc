//! `paddock job verify`: is this result what the server signed, and does the job come out the same again?

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::{
    client::Client,
    remote::RemoteArgs,
    watch::{self, JobView},
};
use crate::{
    auth::signing::{Envelope, PublicKey},
    domain::job::JobState,
    results::{RESULT_MEDIA_TYPE, ReplayReport},
};

/// What to verify, and whom to believe.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Id of a job that has a result.
    job: String,
    /// Believe this key alone, the Base64 of its 32 bytes. Without it, those that the server lists are believed.
    #[arg(long, value_name = "BASE64")]
    public_key: Option<String>,
    /// A record that was kept earlier, as GET /v1/jobs/{id}/record gave it; without it, the server is asked for its record.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Check the signature only, and repeat nothing.
    #[arg(long)]
    no_replay: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Deserialize)]
struct SigningKeys {
    items: Vec<PublicKey>,
}

/// Verifies a job.
///
/// # Errors
/// Where the result is not authentic, where the replay differs, and where the server refuses or does not answer.
pub fn verify(args: &VerifyArgs) -> Result<()> {
    let client = args.remote.client();
    let envelope = envelope(args, &client)?;
    let trusted = trusted(args, &client)?;
    let (result, keyid) = open(&envelope, &trusted)?;
    ensure!(envelope.payload_type == RESULT_MEDIA_TYPE, "the record is no result but {}", envelope.payload_type);
    let signed_for = result["run"]["job"].as_str().unwrap_or_default();
    ensure!(signed_for == args.job, "the record is authentic, but it is that of the job {signed_for}");
    println!("signature: authentic, by key {keyid}");
    if args.record.is_some() {
        let served = client.get(&format!("/v1/jobs/{}/result", args.job))?;
        ensure!(served["result"] == result, "the result that the server gives now is not the one in the record");
        println!("result: as in the record");
    }
    if args.no_replay { Ok(()) } else { replay(&client, &args.job) }
}

fn envelope(args: &VerifyArgs, client: &Client) -> Result<Envelope> {
    let Some(path) = &args.record else {
        return Ok(serde_json::from_value(client.get(&format!("/v1/jobs/{}/record", args.job))?)?);
    };
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no record of a job", path.display()))
}

fn trusted(args: &VerifyArgs, client: &Client) -> Result<Vec<PublicKey>> {
    match &args.public_key {
        Some(text) => Ok(vec![PublicKey::from_base64(text).context("the public key cannot be read")?]),
        None => Ok(serde_json::from_value::<SigningKeys>(client.get("/v1/signing-keys")?)?.items),
    }
}

/// The signed result, and the key that signed it.
fn open<'a>(envelope: &Envelope, trusted: &'a [PublicKey]) -> Result<(Value, &'a str)> {
    let signed_by = |key: &&PublicKey| envelope.signatures.iter().any(|signature| signature.keyid == key.keyid);
    let key = trusted.iter().find(signed_by).context("the record is not signed by a key that is believed")?;
    let payload = envelope.open(key).context("the record is not authentic")?;
    Ok((serde_json::from_slice(&payload).context("what was signed is no result")?, &key.keyid))
}

fn replay(client: &Client, job: &str) -> Result<()> {
    let queued: JobView = serde_json::from_value(client.post_empty(&format!("/v1/jobs/{job}/replay"))?)?;
    println!("replay: {}", queued.id);
    let watched = watch::watch(client, &queued.id)?;
    match (watched.job.state, watched.job.problem) {
        (JobState::Succeeded | JobState::Partial, _) => {}
        (_, Some(problem)) => bail!("the job could not be repeated: {problem}"),
        (state, None) => bail!("the job could not be repeated: its replay is {}", state.as_str()),
    }
    let result = client.get(&format!("/v1/jobs/{}/result", queued.id))?;
    let report: ReplayReport = serde_json::from_value(result["result"]["replay"].clone())?;
    lines(&report).iter().for_each(|line| println!("{line}"));
    ensure!(report.identical, "the replay differs from the job");
    Ok(())
}

fn lines(report: &ReplayReport) -> Vec<String> {
    let mut lines = Vec::new();
    for field in &report.environment {
        lines.push(format!("{}: {} then, {} now", field.what, field.then, field.now));
    }
    match &report.first_difference {
        None => lines.push(format!("identical: all {} outputs", report.outputs)),
        Some(first) => {
            let hash = |hash: &Option<String>| hash.clone().unwrap_or_else(|| "nothing".to_owned());
            lines.push(format!("different: {} of {} outputs", report.different, report.outputs));
            lines.push(format!("first: {} in task {} of the stage {}", first.component, first.task, first.stage));
            lines.push(format!("  then {}", hash(&first.then)));
            lines.push(format!("  now  {}", hash(&first.now)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::signing::Signer,
        domain::ids::JobId,
        results::{EnvironmentDifference, OutputDifference},
    };

    #[test]
    fn only_a_key_that_is_believed_opens_a_record() {
        let signer = Signer::from_seed(&[1; 32]).unwrap();
        let other = Signer::from_seed(&[2; 32]).unwrap();
        let signature = signer.sign(RESULT_MEDIA_TYPE, b"{}");
        let envelope = Envelope::new(RESULT_MEDIA_TYPE, b"{}", signature);
        let both = [other.public().clone(), signer.public().clone()];
        assert_eq!(open(&envelope, &both).unwrap().1, signer.public().keyid);
        assert!(open(&envelope, &both[..1]).unwrap_err().to_string().contains("believed"));
        let changed = Envelope { payload: "W10=".to_owned(), ..envelope };
        assert!(open(&changed, &both).unwrap_err().to_string().contains("not authentic"));
    }

    #[test]
    fn a_difference_is_shown_with_its_place_and_what_else_changed() {
        let difference = OutputDifference {
            stage: "simulate".to_owned(),
            task: 3,
            component: "generator-race@0.1.0".to_owned(),
            then: Some("aa".to_owned()),
            now: None,
        };
        let changed = EnvironmentDifference { what: "engine".to_owned(), then: "e1".to_owned(), now: "e2".to_owned() };
        let report = ReplayReport {
            of: JobId::random(),
            identical: false,
            outputs: 9,
            different: 2,
            first_difference: Some(difference),
            environment: vec![changed],
        };
        let expected = [
            "engine: e1 then, e2 now",
            "different: 2 of 9 outputs",
            "first: generator-race@0.1.0 in task 3 of the stage simulate",
            "  then aa",
            "  now  nothing",
        ];
        assert_eq!(lines(&report), expected);
        let same = ReplayReport { identical: true, first_difference: None, environment: Vec::new(), ..report };
        assert_eq!(lines(&same), ["identical: all 9 outputs"]);
    }
}
