//! `reseat recover` on a running machine whose GPUs break: what it does, how long it takes, and that it says the truth.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::control::{Bars, Command, Reset, Stuck, Until};
use reseat_scenarios::accesses::{disturbances, now};
use reseat_scenarios::contract::{operation, rung};
use reseat_scenarios::faults::{self, Case};
use reseat_scenarios::recovery::Recovery;
use reseat_scenarios::{Gpu, Running, Stage};
use reseat_vm::artifacts::Kernel;
use serde_json::Value;

use crate::recovery::{self, BEHIND_SWITCH, BESIDE_DISK, BYSTANDER};

/// Where no reset has to be waited for, two seconds are promised: `cargo xtask bench recover` measures that. Here two machines
/// share a host with whatever else it does, and what counts is that nothing waits for a minute.
const SOON: Duration = Duration::from_secs(25);
/// What the kernel itself needs for an FLR that a function does not survive, and the rest.
const AFTER_A_DEAD_FLR: Duration = Duration::from_secs(100);

/// The registers are dead, and an FLR would take the GPU off the bus.
const SICK_AND_FLR_KILLS: Case = Case {
    name: "BAR0 dead, FLR would kill",
    faults: &[
        (Some(0), Command::Bars(Bars::BadFive { until: Until::Sbr })),
        (None, Command::Flr(Reset::Kill)),
    ],
};

/// Transactions are stuck, and an FLR would take the GPU off the bus.
const STUCK_AND_FLR_KILLS: Case = Case {
    name: "transactions stuck, FLR would kill",
    faults: &[
        (Some(0), Command::Pending(Stuck::Stuck { until: Until::Sbr })),
        (None, Command::Flr(Reset::Kill)),
    ],
};

/// One line of the table: a fault, and what has to come of it.
struct Line {
    case: Case,
    arguments: &'static str,
    /// The rungs, in order; the last one brings it back.
    rungs: &'static [&'static str],
    at_most: Duration,
}

const fn line(case: Case, arguments: &'static str, rungs: &'static [&'static str], at_most: Duration) -> Line {
    Line {
        case,
        arguments,
        rungs,
        at_most,
    }
}

pub(crate) use reseat_scenarios::contract::rung::{BUS, FLR, SBR};

/// In this order, since each outcome of an FLR is remembered for the class. The boards have two, four and one functions in turn.
const TABLE: [Line; 9] = [
    line(faults::OFF_THE_BUS, "", &[SBR], SOON),
    line(SICK_AND_FLR_KILLS, "", &[BUS], SOON),
    line(STUCK_AND_FLR_KILLS, "", &[BUS], SOON),
    line(faults::REGISTERS_DEAD, "", &[BUS], SOON),
    // Nothing is known of the class yet, and no FLR is fired: each sibling shows behind its BAR that it was reset.
    line(faults::FLR_KILLS, "", &[BUS], SOON),
    line(faults::FLR_HANGS, "--prefer flr", &[FLR], SOON),
    // Found, and the next rung.
    line(
        faults::FLR_IGNORED,
        "--prefer flr",
        &[FLR, BUS],
        Duration::from_secs(40),
    ),
    // The siblings have no FLR.
    line(faults::HEALTHY, "--prefer flr", &[FLR, BUS], SOON),
    line(faults::HEALTHY, "", &[BUS], SOON),
];

const KILLED: [Line; 2] = [
    line(faults::FLR_KILLS, "--prefer flr", &[FLR, SBR], AFTER_A_DEAD_FLR),
    line(faults::FLR_KILLS, "", &[BUS], SOON),
];

pub(crate) fn table(running: &Running) -> Result<()> {
    play(running, &TABLE)
}

/// What holds the kernel for a minute; the class is known bad from there on.
pub(crate) fn an_flr_that_kills_is_remembered(running: &Running) -> Result<()> {
    play(running, &KILLED)
}

/// Both, in one history.
pub(crate) fn all_on_6_12(stage: &Stage) -> Result<()> {
    let running = recovery::boot(&stage.with_kernel(Kernel::Trixie), "recover-6.12")?;
    play(&running, &TABLE)?;
    play(&running, &KILLED)
}

fn play(running: &Running, lines: &[Line]) -> Result<()> {
    let bystander = running.gpu(BYSTANDER)?;
    let begin = now();
    for (index, line) in lines.iter().enumerate() {
        // Boards of all shapes in turn.
        let gpu = running.gpu(index % BYSTANDER)?;
        let recovery = running.recover(gpu, &line.case, line.arguments)?;
        check_line(line, &recovery).with_context(|| format!("{}: {}", line.case.name, recovery.told()))?;
        check_back(running, gpu, &recovery)?;
        running.renew(gpu)?;
    }
    let seen = disturbances(&bystander.fake, begin, now())?;
    ensure!(seen.is_empty(), "a bystander was disturbed: {seen:?}");
    Ok(())
}

fn check_line(line: &Line, recovery: &Recovery) -> Result<()> {
    ensure!(recovery.rungs() == line.rungs, "rungs {:?}", recovery.rungs());
    ensure!(
        recovery.by() == line.rungs.last().copied(),
        "ended with {:?}",
        recovery.end()
    );
    ensure!(
        recovery.took <= line.at_most,
        "it took {:?}, {:?} is promised",
        recovery.took,
        line.at_most
    );
    Ok(())
}

/// Checks that a GPU that was brought back is as it was claimed, and that no port was reset but its own.
pub(crate) fn check_back(running: &Running, gpu: &Gpu, recovery: &Recovery) -> Result<()> {
    running.check_all_pinned(gpu)?;
    let resets = running.port_resets(recovery.since, now())?;
    ensure!(
        resets.iter().all(|reset| reset.port == gpu.port),
        "other ports were reset: {resets:?}"
    );
    let has_reset = !resets.is_empty();
    ensure!(
        has_reset == recovery.rungs().iter().any(|rung| [BUS, SBR].contains(rung)),
        "{resets:?}, {:?}",
        recovery.rungs()
    );
    Ok(())
}

/// A disk in the domain is never hit, and one outside it feels nothing of a reset beside it.
pub(crate) fn a_disk_with_its_io_running_is_spared(running: &Running) -> Result<()> {
    for (index, status) in [(BEHIND_SWITCH, 0), (BESIDE_DISK, 5)] {
        let gpu = running.gpu(index)?;
        let reads = running.read_disk(gpu)?;
        let recovery = running.recover(gpu, &faults::REGISTERS_DEAD, "")?;
        ensure!(recovery.status == status, "{}", recovery.told());
        reads.stop()?.check_undisturbed()?;
        let resets = running.port_resets(recovery.since, now())?;
        ensure!(
            resets.iter().all(|reset| reset.port == gpu.port),
            "other ports were reset: {resets:?}"
        );
        if status == 0 {
            check_back(running, gpu, &recovery)?;
        } else {
            let disk = gpu.disk.as_deref().context("there is no disk")?;
            ensure!(recovery.says(disk), "the disk is not named: {}", recovery.told());
            ensure!(
                !recovery.did(operation::REMOVE_BELOW_CARD_ROOT) && !recovery.did(operation::POWER_OFF),
                "{}",
                recovery.told()
            );
            ensure!(resets.is_empty(), "the domain was reset: {resets:?}");
        }
    }
    Ok(())
}

/// What only power brings back: behind a slot that may be switched it is recovered; else it goes out of service, and no
/// virtual machine can open it any more.
pub(crate) fn only_power_helps(running: &Running) -> Result<()> {
    let keeper = running.keep_slots();
    let gpu = running.gpu(0)?;
    let recovery = running.recover(gpu, &faults::OFF_THE_BUS_UNTIL_POWER, "")?;
    ensure!(recovery.by() == Some(rung::SLOT_POWER), "{}", recovery.told());
    running.check_all_pinned(gpu)?;
    ensure!(keeper.refills()?.len() == 1, "{:?}", keeper.refills()?);

    let gpu = running.gpu(1)?;
    let group = running.shell(&format!(
        "basename $(readlink /sys/bus/pci/devices/{}/iommu_group)",
        gpu.function(0)
    ))?;
    running.shell(&format!("test -e /dev/vfio/{}", group.trim()))?;
    let recovery = running.recover(gpu, &faults::OFF_THE_BUS_UNTIL_POWER, "--highest detach-sbr")?;
    ensure!(recovery.status == 5 && recovery.rungs() == [SBR], "{}", recovery.told());
    running.shell(&format!("! test -e /dev/vfio/{}", group.trim()))?;
    running.shell(&format!("grep -q {} /var/lib/reseat/quarantine.json", gpu.device))?;
    Ok(())
}

/// Whoever holds the group's file is named, and his GPU is not touched, not by force either: the kernel would wait for him.
/// Whom it would not wait for is passed over by force.
pub(crate) fn what_somebody_holds_is_refused(running: &Running) -> Result<()> {
    let gpu = running.gpu(0)?;
    let group = running.shell(&format!(
        "basename $(readlink /sys/bus/pci/devices/{}/iommu_group)",
        gpu.function(0)
    ))?;
    let holder = format!(
        "exec 3<>/dev/vfio/{}; echo $$ >/tmp/holder; while :; do usleep 100000; done",
        group.trim()
    );
    let job = running.start(&holder)?;
    running.shell("while ! test -s /tmp/holder; do usleep 10000; done")?;
    let begin = now();
    let pid = running.shell("cat /tmp/holder")?;
    let group = group.trim();
    for force in ["", "--force"] {
        let recovery = running.recover(gpu, &faults::HEALTHY, force)?;
        ensure!(
            recovery.status == 4 && recovery.rungs().is_empty(),
            "{}",
            recovery.told()
        );
        ensure!(
            recovery.says(pid.trim()) && recovery.says(&format!("/dev/vfio/{group}")),
            "the holder is not named: {}",
            recovery.told()
        );
        ensure!(recovery.says("not forced: ") != force.is_empty(), "{}", recovery.told());
    }
    running.shell(&format!("dmesg | grep 'reseat: {}: not forced: '", gpu.device))?;
    running.shell("! grep -q . /var/lib/reseat/quarantine.json 2>/dev/null")?;
    let seen = disturbances(&gpu.fake, begin, now())?;
    ensure!(seen.is_empty(), "it was disturbed: {seen:?}");
    running.shell("kill $(cat /tmp/holder)")?;
    job.wait(Duration::from_secs(10))?;
    let recovery = running.recover(gpu, &faults::HEALTHY, "")?;
    ensure!(recovery.by() == Some(BUS), "{}", recovery.told());

    running.shell("rm /tmp/holder")?;
    let holder = format!(
        "exec 3</sys/bus/pci/devices/{}/resource0; echo $$ >/tmp/holder; while :; do usleep 100000; done",
        gpu.function(0)
    );
    let job = running.start(&holder)?;
    running.shell("while ! test -s /tmp/holder; do usleep 10000; done")?;
    let recovery = running.recover(gpu, &faults::HEALTHY, "")?;
    ensure!(recovery.status == 4, "{}", recovery.told());
    let recovery = running.recover(gpu, &faults::HEALTHY, "--force")?;
    ensure!(recovery.by() == Some(BUS), "{}", recovery.told());
    let last: Value = serde_json::from_str(&running.shell("tail -n 1 /var/lib/reseat/history.jsonl")?)?;
    ensure!(last["record"]["forced"] == true, "{last}");
    running.shell("kill $(cat /tmp/holder)")?;
    job.wait(Duration::from_secs(10))?;
    Ok(())
}

/// Killed at a hundred points of a reset, and gone on with: the GPU is as it was, every time, and nobody else's was
/// touched.
pub(crate) fn killed_at_any_point_it_is_resumed(stage: &Stage) -> Result<()> {
    let running = recovery::boot(stage, "recover-killed")?;
    killed(&running, 1)
}

/// The same at a few of these points.
pub(crate) fn killed_it_is_resumed(running: &Running) -> Result<()> {
    killed(running, 13)
}

/// Kills it at every so many of a hundred points.
fn killed(running: &Running, step: u32) -> Result<()> {
    const POINTS: u32 = 100;
    let (gpu, bystander) = (running.gpu(0)?, running.gpu(BYSTANDER)?);
    let begin = now();
    // One in four is killed in an FLR. A point is so many lines of what is told, and a little time: the first dozen come
    // before anything is changed. A worker outlives whoever started it, and may be about to write the journal.
    let script = format!(
        "cd /sys/bus/pci/devices; d={device}; resumed=0; n=0\n\
         while [ $n -lt {POINTS} ]; do\n\
         p=sbr; [ $((n % 4)) = 0 ] && p=flr\n\
         reseat recover $d --prefer $p --json >/tmp/first & pid=$!\n\
         while [ $(wc -l </tmp/first) -lt $((10 + n % 34)) ] && kill -0 $pid 2>/dev/null; do :; done\n\
         usleep $((n / 34 * 3000)); kill -9 $pid 2>/dev/null; wait $pid\n\
         [ -e /run/reseat/recovery/$d.json ] || while pidof reseat >/dev/null; do usleep 10000; done\n\
         if [ -e /run/reseat/recovery/$d.json ]; then\n\
         resumed=$((resumed + 1))\n\
         reseat recover $d && {{ echo point $n: begun anew; exit 1; }}\n\
         reseat recover $d --resume --json >/tmp/out 2>&1 || {{ echo point $n, $p: status $?; cat /tmp/out; exit 1; }}\n\
         fi\n\
         for f in $d.0 $d.1; do\n\
         s=\"$(basename $(readlink $f/driver)) $(cat $f/driver_override $f/d3cold_allowed $f/power/control $f/power_state | tr '\\n' ' ')\"\n\
         [ \"$s\" = 'vfio-pci vfio-pci 0 on D0 ' ] || {{ echo point $n, $p: $f is $s; cat /tmp/out; exit 1; }}\n\
         done\n\
         [ -e /run/reseat/recovery/$d.json ] && {{ echo point $n: a journal is left; exit 1; }}\n\
         n=$((n + {step})); done; echo $resumed",
        device = gpu.device
    );
    let ended = running.run(&script, Duration::from_secs(600))?;
    ensure!(ended.status == 0, "{}{}", ended.stdout, ended.stderr);
    let resumed: u32 = ended.stdout.lines().last().unwrap_or_default().trim().parse()?;
    let points = POINTS.div_ceil(step);
    ensure!(
        resumed > points / 2,
        "only {resumed} of {points} were killed in the middle"
    );
    ensure!(gpu.is_well()?, "{:?}", gpu.truth()?);
    let seen = disturbances(&bystander.fake, begin, now())?;
    ensure!(seen.is_empty(), "a bystander was disturbed: {seen:?}");
    Ok(())
}

/// A GPU that the kernel no longer lists, though it is there, is found by a scan and recovered; a plan scans nothing.
pub(crate) fn what_the_kernel_lost_is_found(running: &Running) -> Result<()> {
    let gpu = running.gpu(0)?;
    let remove = format!(
        "for f in /sys/bus/pci/devices/{}.*; do echo 1 >$f/remove; done",
        gpu.device
    );
    running.shell(&remove)?;
    running.run(&format!("reseat recover {} --dry-run", gpu.device), SOON)?;
    running.shell(&format!("! test -e /sys/bus/pci/devices/{}", gpu.function(0)))?;
    let recovery = running.recover_as_it_is(gpu, "")?;
    ensure!(
        recovery.status == 0 && recovery.says("found by a scan"),
        "{}",
        recovery.told()
    );
    ensure!(recovery.rungs() == [BUS], "{:?}", recovery.rungs());
    check_back(running, gpu, &recovery)
}

/// A signal that asks for the end finds nothing removed afterwards, even a second one; one of a terminal that has gone ends
/// nothing.
pub(crate) fn a_signal_leaves_nothing_removed(running: &Running) -> Result<()> {
    let gpu = running.gpu(0)?;
    // From the first lines on to the last, each time a little later.
    let script = format!(
        "cd /sys/bus/pci/devices; d={device}; stopped=0; n=10\n\
         while [ $n -lt 46 ]; do : >/tmp/first\n\
         reseat recover $d --prefer sbr --json >/tmp/first 2>&1 & pid=$!\n\
         while [ $(wc -l </tmp/first) -lt $n ] && kill -0 $pid 2>/dev/null; do :; done\n\
         kill -HUP $pid 2>/dev/null; kill -TERM $pid 2>/dev/null; kill -TERM $pid 2>/dev/null; wait $pid; status=$?\n\
         case $status in\n\
         0) ;;\n\
         3) grep -q stopped-by-signal /tmp/first || {{ echo point $n: not said; cat /tmp/first; exit 1; }}; stopped=$((stopped + 1)) ;;\n\
         *) echo point $n: status $status; cat /tmp/first; exit 1 ;;\n\
         esac\n\
         for f in $d.0 $d.1; do\n\
         s=\"$(basename $(readlink $f/driver)) $(cat $f/driver_override $f/d3cold_allowed $f/power/control $f/power_state | tr '\\n' ' ')\"\n\
         [ \"$s\" = 'vfio-pci vfio-pci 0 on D0 ' ] || {{ echo point $n: $f is $s; cat /tmp/first; exit 1; }}\n\
         done\n\
         [ -e /run/reseat/recovery/$d.json ] && {{ echo point $n: a journal is left; exit 1; }}\n\
         n=$((n + 6)); done; : >/tmp/first\n\
         reseat recover $d --prefer sbr --json >/tmp/first & pid=$!\n\
         while [ $(wc -l </tmp/first) -lt 20 ] && kill -0 $pid 2>/dev/null; do :; done\n\
         kill -HUP $pid; wait $pid || {{ echo after HUP: status $?; cat /tmp/first; exit 1; }}\n\
         echo $stopped",
        device = gpu.device
    );
    let ended = running.run(&script, Duration::from_secs(300))?;
    ensure!(ended.status == 0, "{}{}", ended.stdout, ended.stderr);
    let stopped: u32 = ended.stdout.lines().last().unwrap_or_default().trim().parse()?;
    ensure!(stopped > 2, "only {stopped} of 6 were stopped in the middle");
    ensure!(gpu.is_well()?, "{:?}", gpu.truth()?);
    Ok(())
}
