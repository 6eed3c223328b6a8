//! Claims that differ in their rules only, one after the other on a machine that was booted without: what the boot's program does
//! with them, on a real kernel.

use anyhow::{Result, ensure};
use fake_gpu::control::{Command, ConfigDelay};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::{config_reads, now};
use reseat_scenarios::claims::place_for_rules;
use reseat_scenarios::contract::{duration_ms, gpu_in, problem, verdict};
use reseat_scenarios::cost::BARE_WRITES;
use reseat_scenarios::{Rules, Running, Scene, Shared, Stage};

use crate::quarantine::{check_isolated, ledger, run, unknown};

const FOUR_FUNCTIONS: usize = 2;
/// One of its functions is on vfio-pci's own deny list: its probe refuses this one with EINVAL.
const REFUSED: usize = 3;

pub(crate) const SHARED: Shared<Stage, Running> = Shared {
    boot,
    heal: Running::unclaim,
};

fn boot(stage: &Stage) -> Result<Running> {
    let mut refused = BoardDesign::new(Vendor::Nvidia, 4);
    refused.identities.push("2=8086:37c8".parse()?);
    let running = Scene::new(stage, "by-hand", stage.image_without_drivers(Rules::None, [])?)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 1))
        .gpu(BoardDesign::new(Vendor::Nvidia, 4))
        .gpu(refused)
        .on_the_root(stage.loadable(&["vfio_pci", "vfio_iommu_type1", "pci_stub"])?)
        .on_the_root([place_for_rules()])
        .append("reseat.claim=gpu reseat=off")
        .boot()?;
    running.remember()?;
    Ok(running)
}

fn check_claimed(running: &Running, index: usize) -> Result<()> {
    running.check_all_pinned(running.gpu(index)?)
}

/// `reseat=off` wins over every rule.
pub(crate) fn off_touches_nothing(running: &Running) -> Result<()> {
    let report = running.report()?;
    ensure!(verdict(&report) == "off", "{report:#}");
    for gpu in &running.gpus {
        check_untouched(running, &gpu.device)?;
    }
    ensure!(!running.has_vfio_pci()?, "vfio-pci was loaded");
    Ok(())
}

fn check_untouched(running: &Running, device: &str) -> Result<()> {
    let drivers = running.drivers(device)?;
    ensure!(drivers.values().all(|driver| driver != "vfio-pci"), "{drivers:?}");
    for function in drivers.keys() {
        let found = running.attribute(function, "driver_override")?;
        ensure!(found == "(null)", "an override of {function} was left: {found}");
    }
    Ok(())
}

/// `reseat.dry-run` says what would be claimed and touches nothing.
pub(crate) fn a_dry_run_says_and_does_not(running: &Running) -> Result<()> {
    running.claim(Rules::None, "reseat.claim=gpu reseat.dry-run")?;
    running.new_line("reseat: 0000:01:00: would claim 2 functions")?;
    let report = running.report()?;
    ensure!(verdict(&report) == "dry-run", "{report:#}");
    for gpu in &running.gpus {
        check_untouched(running, &gpu.device)?;
    }
    ensure!(!running.has_vfio_pci()?, "vfio-pci was loaded");
    Ok(())
}

/// A rule with an identity guard, on a machine where something else stands at the address.
pub(crate) fn a_mismatch_loads_nothing(running: &Running) -> Result<()> {
    running.claim(Rules::None, "reseat.claim=0000:01:00.0@10de:1eb8,0000:0f:00.0")?;
    running.new_line("0000:01:00.0 is 10de:2489, not 10de:1eb8: not claimed")?;
    running.new_line("no function at 0000:0f:00.0")?;
    let report = running.report()?;
    ensure!(verdict(&report) == "incomplete", "{report:#}");
    ensure!(report["gpus"].as_array().is_some_and(Vec::is_empty), "{report:#}");
    check_untouched(running, "0000:01:00")?;
    ensure!(!running.has_vfio_pci()?, "vfio-pci was loaded for nothing");
    Ok(())
}

/// The selector lacks its quotes.
const BAD_RULES: &str = "# the second GPU\n[[claim]]\nselect = 0000:01:00.0\n";

/// So many claims that nobody understands, each with a line of its own.
const MORE: usize = 25;

/// A rules file that is none, beside a command line with a good and a bad selector.
pub(crate) fn bad_rules_are_named(running: &Running) -> Result<()> {
    let more: String = (1..=MORE).map(|n| format!("reseat.c{n}=1 ")).collect();
    let words = format!("reseat.claim=everything,0000:02:00.0 reseat.clam=gpu {more}");
    running.claim(Rules::File(BAD_RULES), &words)?;
    running.new_line("reseat: /etc/reseat/reseat.toml:3: ")?;
    running.new_line("reseat: rule `everything` (kernel command line): not a selector")?;
    running.new_line("reseat: unknown kernel parameter `reseat.clam=gpu`")?;
    // More than the kernel takes through one open /dev/kmsg: by its default it drops what comes faster than 10 lines in 5 s.
    for parameter in 1..=MORE {
        running.new_line(&format!("reseat: unknown kernel parameter `reseat.c{parameter}=1`"))?;
    }
    let report = running.report()?;
    ensure!(verdict(&report) == "incomplete", "{report:#}");

    // Nothing of the broken file counts; what was said clearly elsewhere does.
    check_untouched(running, "0000:01:00")?;
    check_claimed(running, 1)
}

/// What a claim changes of that GPU.
const STATE: &str = "cd /sys/bus/pci/devices; for f in 0000:04:00.*; do \
                     for a in driver_override d3cold_allowed power/control; do echo $f $a $(cat $f/$a); done; \
                     echo $f driver $(readlink $f/driver); done";

/// One function of four cannot bind: the whole GPU is given back, the function with a driver to that driver.
pub(crate) fn one_that_cannot_bind_is_rolled_back(running: &Running) -> Result<()> {
    // Has the audio functions before the claim.
    running.shell("modprobe pci-stub ids=10de:1aef")?;
    let before = running.shell(STATE)?;
    running.claim(Rules::None, "reseat.claim=0000:04:00.0,0000:01:00.0")?;
    let report = running.report()?;
    let gpu = gpu_in(&report, "0000:04:00")?;
    ensure!(verdict(gpu) == "rolled-back", "{report:#}");
    let problem = problem(gpu);
    ensure!(
        problem.contains("0000:04:00.2") && problem.contains("deny list"),
        "{problem}"
    );
    ensure!(gpu["leftovers"].as_array().is_some_and(Vec::is_empty), "{report:#}");
    let audio = &gpu["functions"][1];
    ensure!(
        audio["driver_before"] == "pci-stub" && audio["driver"] == "pci-stub",
        "{report:#}"
    );
    running.new_line("reseat: 0000:04:00: not claimed, given back as it was: ")?;

    let after = running.shell(STATE)?;
    ensure!(before == after, "before:\n{before}after:\n{after}");
    // The comparison is worth something only if both ways of power control are in it.
    for noted in [
        "0000:04:00.0 power/control on\n",
        "0000:04:00.3 power/control auto\n",
        "/pci-stub\n",
    ] {
        ensure!(before.contains(noted), "{before}");
    }
    let device = &running.gpu(REFUSED)?.device;
    let drivers = running.drivers(device)?;
    ensure!(drivers.values().all(|driver| driver != "vfio-pci"), "{drivers:?}");

    // The other GPU of the same run is none the worse for it.
    check_claimed(running, 0)?;
    running.shell(
        "for f in /sys/bus/pci/drivers/pci-stub/0000*; do echo ${f##*/} >${f%/*}/unbind; done; rmmod pci_stub",
    )?;
    running.renew(running.gpu(REFUSED)?)
}

/// A damaged ledger counts for every GPU that the rules choose, until somebody accepts the loss.
pub(crate) fn a_damaged_ledger_counts_for_all(running: &Running) -> Result<()> {
    let ledger = ledger(&[unknown("0000:01:00")]);
    let half = ledger.get(..ledger.len() / 2).unwrap_or_default();
    let words = "reseat.claim=0000:01:00.0,0000:02:00.0";
    running.prepare_claim(Rules::None, words)?;
    // Where an initramfs has its copy.
    running.shell(&format!("printf '%s' '{half}' >/etc/reseat/quarantine.json"))?;
    running.claim(Rules::None, words)?;
    for index in [0, 1] {
        check_isolated(running, running.gpu(index)?)?;
    }
    running.new_line("reseat: the quarantine: it is no quarantine file")?;
    running.shell(&format!(
        "mkdir -p /var/lib/reseat && printf '%s' '{half}' >/var/lib/reseat/quarantine.json"
    ))?;
    run(running, "reseat quarantine apply", 3)?;
    run(running, "reseat quarantine list", 3)?;
    let refused = run(running, "reseat recover 0000:02:00", 4)?;
    ensure!(refused.stderr.contains("nobody knows"), "{refused:?}");
    run(running, "reseat return-to-service 0000:02:00", 4)?;
    run(
        running,
        "reseat quarantine accept-loss --reason 'only one was in it'",
        0,
    )?;
    run(running, "reseat quarantine list", 0)?;
    running.shell("ls /var/lib/reseat/quarantine.json.corrupt-*")?;
    // In service, and out of reach since the boot, which is told; a recovery is not refused any more.
    let told = run(running, "reseat quarantine apply", 3)?;
    ensure!(told.stderr.contains("0000:02:00 was isolated at boot"), "{told:?}");
    run(running, "reseat recover 0000:02:00 --dry-run", 0)?;
    Ok(())
}

/// The most 32-bit registers of a function that may be read while it is claimed, by the claim and the kernel together. On real
/// hardware each read costs microseconds.
const MOST: usize = 30;
/// As many of them may be the claim's own: what the kernel does not read when a script does the bare writes.
const MOST_OF_THE_CLAIM: usize = 12;
/// A claim that reads less has verified nothing.
const LEAST_OF_THE_CLAIM: usize = 4;

/// How much of a function's configuration space the claim reads.
pub(crate) fn a_claim_reads_at_most_thirty_registers_a_function(running: &Running) -> Result<()> {
    let selected = "reseat.claim=0000:03:00.0";
    let all = reads_of(running, |running| running.claim(Rules::None, selected).map(drop))?;
    // The comparison is one of equals only if both arrive at the same place.
    check_claimed(running, FOUR_FUNCTIONS)?;
    running.unclaim()?;
    let bare = BARE_WRITES.replace("0000:01:00", "0000:03:00");
    let kernels = reads_of(running, |running| running.shell(&bare).map(drop))?;
    check_claimed(running, FOUR_FUNCTIONS)?;
    for (function, (all, kernels)) in all.iter().zip(&kernels).enumerate() {
        let of_the_claim = all.saturating_sub(*kernels);
        ensure!(
            *all <= MOST && (LEAST_OF_THE_CLAIM..=MOST_OF_THE_CLAIM).contains(&of_the_claim),
            "{all} registers of function {function} were read, {kernels} of them by the kernel"
        );
    }
    Ok(())
}

/// How many registers of each function are read while something is done. They are awake, so that what is counted is not a
/// waking that it only happened to cause.
fn reads_of(running: &Running, done: impl FnOnce(&Running) -> Result<()>) -> Result<Vec<usize>> {
    let gpu = running.gpu(FOUR_FUNCTIONS)?;
    let awake = format!(
        "for f in /sys/bus/pci/devices/{}.*; do echo on >$f/power/control; done",
        gpu.device
    );
    running.shell(&awake)?;
    let begin = now();
    done(running)?;
    let end = now();
    (0..gpu.functions())
        .map(|function| config_reads(&gpu.fake, function, begin, end))
        .collect()
}

/// The delay of each read of the slow GPU, in milliseconds: no single operation of its claim counts as blocked.
const SLOW_MS: u64 = 400;

/// One GPU answers each read late. The others do not wait for it, and the whole ends in the time that is promised.
pub(crate) fn a_slow_gpu_goes_last(running: &Running) -> Result<()> {
    let slow = running.gpu(0)?;
    // Another case may have isolated it.
    running.renew(slow)?;
    let delay = |ms| {
        slow.fake
            .control(&Command::ConfigDelay(ConfigDelay { ms, reads: None }))
    };
    delay(SLOW_MS)?;
    let ended = running.claim(Rules::None, "reseat.claim=gpu");
    delay(0)?;
    let report = running.report()?;
    ensure!(ended.is_ok(), "{ended:?}");
    let took = duration_ms(&report)?;
    ensure!(took < 15_000.0, "the claim took {took} ms: {report:#}");
    for index in [1, FOUR_FUNCTIONS] {
        check_claimed(running, index)?;
        let of_it = duration_ms(gpu_in(&report, &running.gpu(index)?.device)?)?;
        ensure!(of_it < 5_000.0, "GPU {index} took {of_it} ms: {report:#}");
    }
    // It is given up before anything of it is changed, and the report says why.
    let gpu = gpu_in(&report, &slow.device)?;
    let why = problem(gpu);
    ensure!(
        verdict(gpu) == "rolled-back" && why.contains("answers too slowly"),
        "{report:#}"
    );
    check_untouched(running, &slow.device)?;
    Ok(())
}
