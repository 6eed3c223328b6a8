//! Five identical GPUs in one machine, told apart by path, slot and serial number, and two of them left out by name. A card
//! with a switch has been added in front, so that every bus number is another than when the rules were written.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, SerialNumber, Vendor};
use reseat_scenarios::accesses::config_reads;
use reseat_scenarios::contract::problem;
use reseat_scenarios::{Ended, Place, Rules, Running, Scene, Stage};
use reseat_vm::files::GuestFile;
use serde_json::{Value, json};

const RULES: &str = r#"
[[claim]]
select = "path=pci0000:00/04.0/00.0"

[[claim]]
select = "serial=48-b0-2d-00-00-00-00-02"

[[claim]]
select = "slot=6@10de:2489"

# Where the first of them was before the card with the switch came.
[[claim]]
select = "0000:02:00.0@10de:2489"

[[claim]]
select = "subsystem=1458:4077"
not = ["path=pci0000:00/03.0/00.0/00.0/00.0", "1002:73ef"]

[[claim]]
select = "gpu"
not = "slot=1"
"#;

/// What each rule of the file comes to: GPUs, or a part of the problem.
const EXPECTED: [Result<&[&str], &str>; 6] = [
    Ok(&["0000:05:00"]),
    Ok(&["0000:06:00"]),
    Ok(&["0000:07:00"]),
    Err("0000:02:00.0 belongs to no GPU"),
    // Slot 7 is left out on the kernel command line.
    Ok(&["0000:05:00", "0000:06:00", "0000:07:00"]),
    // Nobody is in slot 1 but the switch of a card; who was meant to be kept is not guessed.
    Err("what `slot=1` (/etc/reseat/reseat.toml:21) leaves out is not to be found: no GPU has slot=1: there is slot="),
];

/// The most 32-bit registers of a function that may be read in a claim, by the claim and the kernel together.
const MOST_READS: usize = 30;

pub(crate) fn five_identical_gpus(stage: &Stage) -> Result<()> {
    let image = stage.image_without_drivers(Rules::File(RULES), [])?;
    let board = |serial_number| BoardDesign {
        serial_number,
        ..BoardDesign::new(Vendor::Nvidia, 1)
    };
    let numbered = |number: u64| board(Some(SerialNumber(0x48b0_2d00_0000_0000 | number)));
    let running = Scene::new(stage, "selectors", image)
        .gpu_at(board(None), Place::BehindSwitch)
        .gpu(numbered(1))
        .gpu(numbered(2))
        .gpu(board(None))
        .gpu(board(None))
        .append("reseat.not=slot=7")
        .on_the_root([
            GuestFile::new("etc/reseat/reseat.toml", RULES),
            GuestFile::new("etc/passwd", "nobody:x:65534:65534::/:/bin/sh\n"),
            GuestFile::new("etc/group", "nogroup:x:65534:\n"),
        ])
        .boot()?;

    let report = running.report()?;
    let rules = report["rules"].as_array().context("no rules")?;
    ensure!(rules.len() == EXPECTED.len(), "{report:#}");
    for (rule, expected) in rules.iter().zip(EXPECTED) {
        let is_so = match expected {
            Ok(gpus) => rule["gpus"] == json!(gpus) && problem(rule).is_empty(),
            Err(part) => {
                let problem = problem(rule);
                rule["gpus"] == json!([]) && problem.contains(part)
            }
        };
        ensure!(is_so, "not {expected:?}: {rule:#}");
    }
    for device in ["0000:05:00", "0000:06:00", "0000:07:00"] {
        running.check_claimed(&format!("{device}.0"))?;
    }
    for device in ["0000:03:00", "0000:08:00"] {
        let drivers = running.drivers(device)?;
        ensure!(drivers.values().all(|driver| driver == "-"), "{drivers:?}");
        let word = running.attribute(&format!("{device}.0"), "driver_override")?;
        ensure!(word == "(null)", "{device} was touched: {word}");
    }

    // A serial number is asked of the function itself, of all GPUs: even so few registers are read.
    let from = running.line("Run /init")?.at;
    for (index, device) in [(1, "0000:05:00"), (2, "0000:06:00"), (3, "0000:07:00")] {
        let to = running.line(&format!("reseat: {device}: "))?.at;
        let gpu = running.gpus.get(index).context("no such GPU")?;
        let reads = config_reads(&gpu.fake, 0, from, to)?;
        ensure!(
            (1..=MOST_READS).contains(&reads),
            "{reads} registers of {device}.0 were read in the claim"
        );
    }
    check_as_nobody(&running)
}

/// Runs a program as a user who may do nothing.
const AS_NOBODY: &str = "start-stop-daemon -S -c nobody:nogroup -x /usr/bin/reseat --";
const ENOUGH: Duration = Duration::from_secs(60);

/// Who is not root sees the same, but for serial numbers, and is told so.
fn check_as_nobody(running: &Running) -> Result<()> {
    let run = |program: &str, arguments: &str| running.run(&format!("{program} {arguments}"), ENOUGH);
    let selectors = "inventory --selectors";
    let (of_root, of_nobody) = (run("reseat", selectors)?, run(AS_NOBODY, selectors)?);
    let without_serials = |ended: &Ended| {
        let lines = ended.stdout.lines();
        let row = |line: &str| line.split_whitespace().take(4).map(str::to_owned).collect::<Vec<_>>();
        lines.skip(1).map(row).collect::<Vec<_>>()
    };
    ensure!(
        of_root.status == 0 && of_root.stdout.contains("serial=48-b0-2d-00-00-00-00-02"),
        "{of_root:?}"
    );
    ensure!(
        without_serials(&of_nobody) == without_serials(&of_root) && without_serials(&of_root).len() == 5,
        "{of_nobody:?}, and not {of_root:?}"
    );
    let unknown = of_nobody.stderr.matches("the serial number of").count();
    ensure!(
        of_nobody.status == 3 && unknown == 5 && !of_nobody.stdout.contains("serial="),
        "{of_nobody:?}"
    );

    let check = "rules check --json";
    let rules = |ended: &Ended| -> Result<Vec<Value>> {
        let report: Value = serde_json::from_str(&ended.stdout).with_context(|| format!("{ended:?}"))?;
        Ok(report["rules"].as_array().cloned().unwrap_or_default())
    };
    let (of_root, of_nobody) = (rules(&run("reseat", check)?)?, rules(&run(AS_NOBODY, check)?)?);
    ensure!(of_root.len() == EXPECTED.len(), "{of_root:#?}");
    for (index, (root, nobody)) in of_root.iter().zip(&of_nobody).enumerate() {
        let asks_for_serial = nobody["selector"]
            .as_str()
            .is_some_and(|text| text.starts_with("serial="));
        let why = problem(nobody);
        let is_so = match asks_for_serial {
            true => why.contains("serial") && problem(root).is_empty(),
            false => nobody == root,
        };
        ensure!(is_so, "rule {index}: {nobody:#}, and for root {root:#}");
    }
    ensure!(of_nobody.len() == of_root.len(), "{of_nobody:#?}");
    Ok(())
}
