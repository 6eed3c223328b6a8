//! Every fault on every kind of board and place: never a false "recovered", never a bystander touched, no hang, and what
//! can be brought back is.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reseat_scenarios::accesses::{disturbances, now};
use reseat_scenarios::faults::{self, Case};
use reseat_scenarios::{Gpu, Place, Running, Stage};
use reseat_vm::artifacts::Kernel;

use crate::recovery::{self, BOARDS};

/// A reset by the kernel that does not come back, and every other rung after it.
const LIMIT: Duration = Duration::from_secs(110);

pub(crate) fn all_on_6_1(stage: &Stage) -> Result<()> {
    let running = recovery::boot(stage, "campaign-6.1")?;
    campaign(&running, |_, _| true, 60)
}

/// A third of it, chosen so that every fault and every board comes up.
pub(crate) fn a_third_on_6_12(stage: &Stage) -> Result<()> {
    let running = recovery::boot(&stage.with_kernel(Kernel::Trixie), "campaign-6.12")?;
    campaign(&running, |row, column| (row + column).is_multiple_of(3), 20)
}

/// A few of it that no other story plays: what is short, and not what the table of recoveries has.
pub(crate) fn smoke(running: &Running) -> Result<()> {
    const OTHERS: [Case; 5] = [
        faults::OFF_THE_BUS_AND_FLR_KILLS,
        faults::LOST,
        faults::REGISTERS_DEAD_UNTIL_FLR,
        faults::PENDING,
        faults::SBR_KILLS,
    ];
    let is_other = |row| faults::ALL.get(row).is_some_and(|case| is_one_of(case, &OTHERS));
    campaign(running, |row, column| is_other(row) && row % BOARDS.len() == column, 5)
}

/// Plays those faults on those boards that are chosen, by their places in the lists.
fn campaign(running: &Running, is_chosen: impl Fn(usize, usize) -> bool, least: usize) -> Result<()> {
    let _keeper = running.keep_slots();
    let mut played = 0;
    for (row, case) in faults::ALL.iter().enumerate() {
        for (column, board) in BOARDS.iter().enumerate() {
            if is_chosen(row, column) && is_worth_it(case, column) {
                let what = format!("{} on {board:?}", case.name);
                play(running, column, case).with_context(|| what)?;
                played += 1;
            }
        }
    }
    ensure!(played >= least, "only {played} were played");
    Ok(())
}

/// The kernel's seventy seconds are waited for once.
fn is_worth_it(case: &Case, board: usize) -> bool {
    case.name != faults::FLR_KILLS.name || board == 0
}

fn play(running: &Running, index: usize, case: &Case) -> Result<()> {
    let gpu = running.gpu(index)?;
    running.shell("rm -f /var/lib/reseat/history.jsonl /var/lib/reseat/quarantine.json")?;
    let reads = gpu.disk.as_ref().map(|_| running.read_disk(gpu)).transpose()?;
    let (begin, started) = (now(), Instant::now());
    let recovery = running.recover(gpu, case, arguments(case))?;
    ensure!(
        started.elapsed() < LIMIT,
        "it took {:?}\n{}",
        started.elapsed(),
        recovery.told()
    );
    if let Some(reads) = reads {
        reads.stop()?.check_undisturbed()?;
    }
    let expected = expected(case, index);
    ensure!(
        recovery.status == expected,
        "status {}, {expected} was expected\n{}",
        recovery.status,
        recovery.told()
    );
    check_bystanders(running, gpu, begin)?;
    running.renew(gpu)
}

/// Without power for what it does not help: QEMU plugs in no function that does not answer, and to its devices power that
/// comes is a reset from above.
fn arguments(case: &Case) -> &'static str {
    match is_one_of(case, &POWERLESS) {
        true => "--highest detach-sbr",
        false => "",
    }
}

const POWERLESS: [Case; 2] = [faults::LOST, faults::SBR_KILLS];

fn is_one_of(case: &Case, cases: &[Case]) -> bool {
    cases.iter().any(|one| one.name == case.name)
}

fn check_bystanders(running: &Running, gpu: &Gpu, begin: Duration) -> Result<()> {
    for other in running.gpus.iter().filter(|other| other.device != gpu.device) {
        let seen = disturbances(&other.fake, begin, now())?;
        ensure!(seen.is_empty(), "{} was disturbed: {seen:?}", other.device);
    }
    let resets = running.port_resets(begin, now())?;
    ensure!(
        resets.iter().all(|reset| reset.port == gpu.port),
        "other ports were reset: {resets:?}"
    );
    Ok(())
}

/// The exit status: recovered, or out of service.
fn expected(case: &Case, board: usize) -> i32 {
    let Some((_, _, place)) = BOARDS.get(board) else {
        return -1;
    };
    let by_flr = [
        faults::HEALTHY,
        faults::FLR_HANGS,
        faults::REGISTERS_DEAD_UNTIL_FLR,
        faults::PENDING,
    ];
    match place {
        _ if is_one_of(case, &POWERLESS) => 5,
        // Nothing above FLR, for the disk's sake.
        Place::BesideDisk if !is_one_of(case, &by_flr) => 5,
        Place::Alone | Place::BehindSwitch | Place::BesideDisk | Place::InOneGroup | Place::OwnSwitch => 0,
    }
}
