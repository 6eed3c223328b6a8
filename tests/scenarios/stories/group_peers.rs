//! What shares the IOMMU group of a GPU: left alone and named, unless a rule takes it. As on many desktop machines, the root
//! ports of one device do not hold back what goes from one to the other, so that the kernel puts all that is below them into
//! one group.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::contract::{gpu_in, verdict};
use reseat_scenarios::{Place, Rules, Running, Scene, Stage};
use reseat_vm::files::GuestFile;
use serde_json::{Value, json};

/// A GPU beside a disk, whose rule says nothing of peers; one that has a group to itself; and one beside a disk, a display
/// that its rule keeps out, and a network card.
const RULES: &str = r#"
[[claim]]
select = "0000:01:00.0"

[[claim]]
select = "0000:03:00.0"
group-peers = true

[[claim]]
select = "0000:04:00.0"
group-peers = ["1b36:0010", "8086:10d3"]
not = "1234:1111"
"#;

/// The first rule, as it would be written to have the disk.
const WITH_THE_DISK: &str = "[[claim]]\nselect = \"0000:01:00.0\"\ngroup-peers = [\"0000:02:00.0\"]\n";

/// The same without its name.
const WITH_ALL: &str = "[[claim]]\nselect = \"0000:01:00.0\"\ngroup-peers = true\n";

/// Two more ports of the device that the third GPU is below; and a network card in a group that has no GPU.
const MORE: [&str; 12] = [
    "-device",
    r#"{"driver":"ioh3420","id":"display","bus":"pcie.0","addr":"05.2","chassis":20,"slot":20,"multifunction":true}"#,
    "-device",
    r#"{"driver":"bochs-display","bus":"display"}"#,
    "-device",
    r#"{"driver":"ioh3420","id":"network","bus":"pcie.0","addr":"05.3","chassis":21,"slot":21,"multifunction":true}"#,
    "-device",
    r#"{"driver":"e1000e","bus":"network"}"#,
    "-device",
    r#"{"driver":"pcie-root-port","id":"elsewhere","bus":"pcie.0","addr":"0a.0","chassis":22,"slot":22}"#,
    "-device",
    r#"{"driver":"e1000e","bus":"elsewhere"}"#,
];

/// Those that come for the peers, and one that comes for the GPUs.
const DRIVERS: [&str; 4] = ["nvme", "e1000e", "bochs", "snd_hda_intel"];

const LEFT: &str = "0000:02:00.0";
const KEPT_OUT: &str = "0000:06:00.0";
const TAKEN: [&str; 2] = ["0000:05:00.0", "0000:07:00.0"];
const ELSEWHERE: &str = "0000:08:00.0";

pub(crate) fn claimed_only_where_a_rule_says_so(stage: &Stage) -> Result<()> {
    let image = stage.image_with_modules(&DRIVERS, Rules::File(RULES), [])?;
    let board = || BoardDesign::new(Vendor::Nvidia, 2);
    let running = Scene::new(stage, "group-peers", image)
        .gpu_at(board(), Place::InOneGroup)
        .gpu(board())
        .gpu_at(board(), Place::InOneGroup)
        .arguments(&MORE)
        .on_the_root([
            GuestFile::new("etc/reseat/reseat.toml", RULES),
            GuestFile::new("etc/with-the-disk.toml", WITH_THE_DISK),
            GuestFile::new("etc/with-all.toml", WITH_ALL),
        ])
        .boot()?;

    let report = running.report()?;
    ensure!(verdict(&report) == "claimed", "{report:#}");
    for (gpu, taken, left) in [
        ("0000:01:00", &[][..], &[LEFT][..]),
        ("0000:03:00", &[], &[]),
        ("0000:04:00", &TAKEN, &[KEPT_OUT]),
    ] {
        let own = [format!("{gpu}.0"), format!("{gpu}.1")];
        for function in &own {
            running.check_claimed(function)?;
        }
        let said = gpu_in(&report, gpu)?;
        let functions: BTreeSet<&str> = own.iter().map(String::as_str).chain(taken.iter().copied()).collect();
        ensure!(addresses(&said["functions"]) == functions, "{said:#}");
        ensure!(addresses(&said["peers"]) == left.iter().copied().collect(), "{said:#}");
    }
    for peer in TAKEN {
        check_taken(&running, peer)?;
    }
    check_others(&running)?;
    check_words(&running)?;
    check_again(&running)?;
    check_at_work(&running)
}

/// Checks that their own drivers have those that no rule takes, and had none of the others before the claim.
fn check_others(running: &Running) -> Result<()> {
    for (function, driver) in [(LEFT, "nvme"), (KEPT_OUT, "bochs-drm"), (ELSEWHERE, "e1000e")] {
        // udev may not have come to it yet.
        running.shell(&format!(
            "i=0; until [ -e /sys/bus/pci/drivers/{driver}/{function} ]; do \
             i=$((i + 1)); [ $i -lt 100 ] || exit 1; usleep 200000; done"
        ))?;
        let word = running.attribute(function, "driver_override")?;
        ensure!(word == "(null)", "{function} was touched: {word}");
    }
    for (driver, function) in [("nvme nvme", TAKEN[0]), ("e1000e", TAKEN[1])] {
        let lines = running.machine.console().lines();
        let mut lines = lines.iter().map(|line| line.text.as_str());
        let had = lines.find(|line| line.contains(driver) && line.contains(function));
        ensure!(had.is_none(), "{had:?}");
    }
    Ok(())
}

/// Checks what a user is told, at boot and by `rules check`.
fn check_words(running: &Running) -> Result<()> {
    running.line(&format!(
        "reseat: 0000:01:00: {LEFT} [1b36:0010], without a driver, is in the same IOMMU group and left alone"
    ))?;
    let check = running.shell("reseat rules check || echo status $?")?;
    let says = |text: &str| ensure_says(&check, text);
    says(&format!(
        "{LEFT} [1b36:0010], on driver nvme, is in the same IOMMU group and left alone"
    ))?;
    says("(it may carry the system: `group-peers` has to name it to claim it)")?;
    says(&format!(
        "no VM can open 0000:01:00: {LEFT}, in its IOMMU group, is on driver nvme"
    ))?;
    says("status 7")?;
    says(&format!(
        "{KEPT_OUT} [1234:1111], on driver bochs-drm, is in the same IOMMU group and left alone"
    ))?;
    says("(left out by `not`)")?;
    says(&format!(
        "0000:04:00: would claim 4 functions (with {} [1b36:0010], {} [8086:10d3] of its IOMMU group)",
        TAKEN[0], TAKEN[1]
    ))?;
    let with_it = running.shell("reseat rules check --rules /etc/with-the-disk.toml")?;
    let text = format!("0000:01:00: would claim 3 functions (with {LEFT} [1b36:0010] of its IOMMU group)");
    ensure_says(&with_it, &text)?;
    ensure!(!with_it.contains("left alone"), "{with_it}");
    let unnamed = running.shell("reseat rules check --rules /etc/with-all.toml || echo status $?")?;
    ensure_says(&unnamed, &format!("0000:01:00: refused: {LEFT} (its class is 010802)"))?;
    ensure_says(&unnamed, "status 4")?;
    Ok(())
}

fn ensure_says(said: &str, text: &str) -> Result<()> {
    ensure!(said.contains(text), "not said: `{text}`, but\n{said}");
    Ok(())
}

/// The third GPU goes and comes back, and its peers have stayed: it is claimed again with them. The display that its rule keeps
/// out has got its driver since the boot, so that no VM can have the GPU as long as that is so.
fn check_again(running: &Running) -> Result<()> {
    let again = running.run(
        "cd /sys/bus/pci && for f in 0 1; do echo 1 >devices/0000:04:00.$f/remove; done && echo 1 >rescan && \
         reseat claim --function 0000:04:00.0",
        Duration::from_secs(90),
    )?;
    let why = format!("no VM can open 0000:04:00: {KEPT_OUT}, in its IOMMU group, is on driver bochs-drm");
    ensure!(again.status == 7 && again.stdout.contains(&why), "{again:?}");
    for function in ["0000:04:00.0", "0000:04:00.1"] {
        running.check_pinned(function)?;
    }
    for peer in TAKEN {
        check_taken(running, peer)?;
    }
    // By itself a peer is nobody's GPU.
    let alone = running.shell(&format!("reseat claim --function {}", TAKEN[0]))?;
    ensure_says(&alone, "there is no GPU")?;
    let text = running.shell("cat /run/reseat/claim-0000:04:00.json")?;
    let report: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    let had = |function: &&Value| TAKEN.iter().any(|peer| function["address"] == *peer);
    let functions = gpu_in(&report, "0000:04:00")?["functions"]
        .as_array()
        .into_iter()
        .flatten();
    let before: Vec<&Value> = functions
        .filter(had)
        .map(|function| &function["driver_before"])
        .collect();
    ensure!(before == [&json!("vfio-pci"); 2], "{report:#}");
    Ok(())
}

/// The first GPU goes and comes back, and now its rule takes the disk, which is at work: it stays so, and the GPU with it until
/// somebody has unbound the disk.
fn check_at_work(running: &Running) -> Result<()> {
    let again = "mount -o bind /etc/with-the-disk.toml /etc/reseat/reseat.toml; cd /sys/bus/pci; \
                 for f in 0 1; do echo 1 >devices/0000:01:00.$f/remove; done; echo 1 >rescan; \
                 reseat claim --function 0000:01:00.0";
    let refused = running.run(again, Duration::from_secs(90))?;
    let why = format!("0000:01:00: refused: {LEFT}, in its IOMMU group, is on driver nvme");
    ensure!(refused.status == 4 && refused.stdout.contains(&why), "{refused:?}");
    ensure!(running.drivers("0000:02:00")?[LEFT] == "nvme", "the disk was taken");
    running.shell(&format!(
        "echo {LEFT} >/sys/bus/pci/drivers/nvme/unbind; reseat claim --function 0000:01:00.0"
    ))?;
    for function in ["0000:01:00.0", "0000:01:00.1"] {
        running.check_pinned(function)?;
    }
    check_taken(running, LEFT)
}

fn addresses(functions: &Value) -> BTreeSet<&str> {
    let functions = functions.as_array().into_iter().flatten();
    functions.filter_map(|function| function["address"].as_str()).collect()
}

/// Checks that a function which no fake serves is where a claim has to leave it, as far as the guest can tell.
fn check_taken(running: &Running, function: &str) -> Result<()> {
    for (file, expected) in [
        ("driver_override", "vfio-pci"),
        ("power/control", "on"),
        ("power/runtime_status", "active"),
        ("power_state", "D0"),
        ("d3cold_allowed", "0"),
    ] {
        let found = running.attribute(function, file)?;
        ensure!(found == expected, "{file} of {function} is `{found}`, not `{expected}`");
    }
    let drivers = running.drivers(function.trim_end_matches(".0"))?;
    ensure!(drivers.values().all(|driver| driver == "vfio-pci"), "{drivers:?}");
    Ok(())
}
