//! What a recovery leaves behind to be looked at afterwards.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fake_gpu::control::{Command, Fault, Until};
use reseat_scenarios::Running;
use reseat_scenarios::contract::{after_rung, document, end_of, is_before, recovered_by, rung, rung_begun, schema};
use serde_json::Value;

const GPU: &str = "0000:01:00.0";

/// Two seconds are promised, and measured by `cargo xtask bench recover`; here the host is shared, as `recover`'s stories say.
const SOON: Duration = Duration::from_secs(25);

/// A GPU that has fallen off the bus: what was seen of it before and after is there, whole, and cost little.
pub(crate) fn of_a_gpu_off_the_bus(running: &Running) -> Result<()> {
    ensure!(running.shell("reseat evidence list")?.trim() == "no evidence");
    running
        .gpu(0)?
        .fake
        .control(&Command::Die(Fault { until: Until::Sbr }))?;
    let begin = Instant::now();
    let told = running.shell("reseat recover 0000:01:00 --json")?;
    let took = begin.elapsed();
    ensure!(took < SOON, "it took {took:?}: {told}");
    let events: Vec<Value> = told.lines().map(document).collect::<Result<_>>()?;
    let by = events.iter().find_map(end_of).and_then(recovered_by);
    ensure!(by == Some(rung::SBR), "{told}");

    let files = running.shell("ls /var/lib/reseat/evidence")?;
    ensure!(
        files.lines().count() == 1 && files.trim().ends_with("-0000:01:00.json"),
        "{files}"
    );
    let listed = document(&running.shell("reseat evidence list --json")?)?;
    let only = &listed["bundles"][0];
    ensure!(
        listed["schema"] == schema::EVIDENCE_LIST
            && only["file"] == files.trim()
            && only["device"] == "0000:01:00"
            && recovered_by(&only["end"]) == Some(rung::SBR),
        "{listed:#}"
    );
    // One that is damaged is named, and the others are listed.
    let ended = running.run(
        "echo '{' >/var/lib/reseat/evidence/0.json; reseat evidence list --json",
        SOON,
    )?;
    let listed = document(&ended.stdout)?;
    ensure!(
        ended.status == 3
            && ended.stderr.contains("0.json")
            && listed["findings"].as_array().map(Vec::len) == Some(1)
            && listed["bundles"].as_array().map(Vec::len) == Some(1),
        "{ended:?}"
    );
    running.shell("rm /var/lib/reseat/evidence/0.json")?;
    let text = running.shell("cat /var/lib/reseat/evidence/*.json")?;
    let bundle: Value = serde_json::from_str(&text).with_context(|| format!("the bundle is no JSON: {text}"))?;
    ensure!(bundle["schema"] == schema::EVIDENCE, "{bundle}");
    ensure!(recovered_by(&bundle["end"]) == Some(rung::SBR), "{bundle}");
    let events = bundle["events"].as_array().context("no events")?;
    ensure!(
        events.iter().any(|one| rung_begun(&one["event"]) == Some(rung::SBR)),
        "{events:?}"
    );
    let moments = bundle["moments"].as_array().context("no moments")?;
    ensure!(
        moments.len() == 2 && is_before(&moments[0]) && after_rung(&moments[1]) == Some(rung::SBR),
        "{moments:?}"
    );
    for moment in moments {
        ensure!(moment["not_read"].as_array().is_some_and(Vec::is_empty), "{moment}");
        ensure!(moment["users"]["usage"] == "free", "{moment}");
        ensure!(moment["took_ms"].as_u64().is_some_and(|took| took <= 2000), "{moment}");
    }
    let space = |moment: &Value| {
        let functions = moment["functions"].as_array().cloned().unwrap_or_default();
        let gpu = functions.into_iter().find(|function| function["address"] == GPU);
        let space = gpu.map(|gpu| gpu["space"].clone());
        space.with_context(|| format!("{GPU} is not in {moment}"))
    };
    let (before, after) = (space(&moments[0])?, space(&moments[1])?);
    ensure!(before["hex"] == "00: ff ff ff ff\n", "{before}");
    let hex = after["hex"].as_str().context("no rows")?;
    let identity = running.attribute(GPU, "device")?;
    let low_byte = identity.get(4..6).context("no device ID")?;
    ensure!(hex.starts_with(&format!("00: de 10 {low_byte} ")), "{hex}");

    let shown = running.shell("reseat evidence show latest")?;
    ensure!(shown.contains("before the first rung"), "{shown}");
    let change = format!("{GPU}: was absent: all-ones, is ready: 10de:");
    ensure!(shown.contains(&change), "{shown}");
    let decoded = running.shell("reseat evidence show latest --hex | sed -n '/after/,$p' | reseat decode --hex -")?;
    ensure!(decoded.contains(&format!("{GPU} after detach-SBR, GPU")), "{decoded}");
    let spent: u64 = moments.iter().filter_map(|moment| moment["took_ms"].as_u64()).sum();
    let bytes = text.len();
    note(&format!(
        "recovered in {took:?}, of which evidence {spent} ms; {bytes} bytes"
    ));
    Ok(())
}

#[allow(clippy::print_stderr, reason = "a test's own words")]
fn note(text: &str) {
    eprintln!("{text}");
}
