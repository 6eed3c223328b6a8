//! The supervisor with a mock clock, and workers that are only talked about.

use super::*;

use crate::claim::{Aim, Attribute, Leftover, TargetFunction};
use crate::messages::sentence;

/// What is left behind, in words.
fn as_text(leftovers: &[Leftover]) -> Vec<String> {
    leftovers.iter().map(crate::messages::report::leftover).collect()
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn function(gpu: u8, function: u8) -> FunctionAddress {
    FunctionAddress::new(0, gpu, 0, function).unwrap()
}

fn target(gpu: u8) -> Target {
    Target {
        aim: Aim::Claim,
        device: function(gpu, 0).device_address(),
        functions: (0..2)
            .map(|index| TargetFunction::new(function(gpu, index), "10de:2489".parse().unwrap()))
            .collect(),
    }
}

fn write_override(function: FunctionAddress) -> Operation {
    let value = "vfio-pci".to_owned();
    let attribute = Attribute::DriverOverride;
    Operation {
        function,
        verb: Verb::Write { attribute, value },
    }
}

fn unbind(function: FunctionAddress) -> Operation {
    let driver = "nouveau".to_owned();
    Operation {
        function,
        verb: Verb::Unbind { driver },
    }
}

fn overridden(function: FunctionAddress) -> Change {
    let value = String::new();
    let attribute = Attribute::DriverOverride;
    Change {
        function,
        undo: Verb::Write { attribute, value },
    }
}

fn success() -> Outcome {
    Outcome {
        begun: true,
        power: Vec::new(),
        rollback: None,
    }
}

/// The only command there is, if it starts a worker.
fn started(commands: &[Command]) -> (WorkerId, Assignment) {
    match commands {
        [Command::Start(id, assignment)] => (*id, assignment.clone()),
        other => panic!("{other:?}"),
    }
}

fn devices(supervision: Supervision) -> Vec<(String, bool)> {
    let finished = supervision.into_finished().into_iter();
    finished
        .map(|finished| (finished.device.to_string(), finished.outcome.rollback.is_none()))
        .collect()
}

#[test]
fn nothing_to_claim_starts_nothing() {
    let mut supervision = Supervision::new(Limits::BOOT);
    assert_eq!(supervision.begin(Duration::ZERO, Vec::new()), []);
    assert_eq!(supervision.deadline(), None);
}

#[test]
fn one_worker_serves_all_while_all_goes_well() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let (id, assignment) = started(&supervision.begin(Duration::ZERO, vec![target(1), target(2)]));
    assert_eq!(assignment, Assignment::Claim(vec![target(1), target(2)]));
    for gpu in [1, 2] {
        let now = seconds(f64::from(gpu));
        supervision.event(now, id, WorkerEvent::Began(write_override(function(gpu, 0))));
        supervision.event(now, id, WorkerEvent::Ended(success(), seconds(0.1)));
    }
    assert_eq!(supervision.gone(seconds(2.0), id, "end of its output"), []);
    assert_eq!(supervision.deadline(), None);
    assert_eq!(supervision.unreturned(), []);
    assert_eq!(
        devices(supervision),
        [("0000:01:00".to_owned(), true), ("0000:02:00".to_owned(), true)]
    );
}

/// A worker that has overridden both functions of GPU 1 and blocks in the unbind of the second.
fn blocked(supervision: &mut Supervision, targets: Vec<Target>) -> WorkerId {
    let (id, _) = started(&supervision.begin(Duration::ZERO, targets));
    for index in [0, 1] {
        supervision.event(
            Duration::ZERO,
            id,
            WorkerEvent::Began(write_override(function(1, index))),
        );
        supervision.event(Duration::ZERO, id, WorkerEvent::Changed(overridden(function(1, index))));
    }
    supervision.event(Duration::ZERO, id, WorkerEvent::Began(unbind(function(1, 1))));
    id
}

#[test]
fn a_blocked_worker_is_abandoned_its_gpu_taken_back_and_the_others_claimed() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let first = blocked(&mut supervision, vec![target(1), target(2), target(3)]);
    assert_eq!(supervision.tick(seconds(4.9)), []);
    assert_eq!(supervision.deadline(), Some(Limits::BOOT.stall));

    let commands = supervision.tick(seconds(5.0));
    let [
        abandon,
        Command::Start(undoer, undo),
        Command::Start(second, claim_2),
        Command::Start(third, claim_3),
    ] = commands.as_slice()
    else {
        panic!("{commands:?}");
    };
    assert_eq!(*abandon, Command::Abandon(first));
    let Assignment::Undo { changes, rollback } = undo else {
        panic!("{undo:?}");
    };
    // The function that the kernel holds is left alone: undoing there would block as well.
    assert_eq!(*changes, [overridden(function(1, 0))]);
    assert_eq!(rollback.during, Some(unbind(function(1, 1))));
    assert_eq!(
        as_text(&rollback.leftovers),
        [
            "unbind 0000:01:00.1 from nouveau: not known whether it took effect, or still will",
            "clear driver_override of 0000:01:00.1: not tried, the kernel holds the function",
        ]
    );
    assert_eq!(*claim_2, Assignment::Claim(vec![target(2)]));
    assert_eq!(*claim_3, Assignment::Claim(vec![target(3)]));

    // What the abandoned one still says changes nothing.
    assert_eq!(supervision.unreturned(), [(first, function(1, 1))]);
    supervision.event(seconds(5.1), first, WorkerEvent::Ended(success(), seconds(0.1)));
    let rolled_back = Outcome {
        begun: true,
        power: Vec::new(),
        rollback: Some(Rollback::clone(rollback)),
    };
    for (id, outcome) in [(*third, success()), (*undoer, rolled_back), (*second, success())] {
        supervision.event(seconds(5.2), id, WorkerEvent::Ended(outcome, seconds(0.1)));
    }
    assert_eq!(supervision.deadline(), None);
    assert_eq!(
        devices(supervision),
        [
            ("0000:03:00".to_owned(), true),
            ("0000:01:00".to_owned(), false),
            ("0000:02:00".to_owned(), true)
        ]
    );
}

#[test]
fn signs_of_life_keep_a_worker_until_the_time_for_claiming_is_over() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let (id, _) = started(&supervision.begin(Duration::ZERO, vec![target(1)]));
    for second in 0..11 {
        let now = seconds(f64::from(second));
        assert_eq!(supervision.tick(now), [], "{now:?}");
        supervision.event(now, id, WorkerEvent::Began(unbind(function(1, 0))));
    }
    assert_eq!(supervision.deadline(), Some(Limits::BOOT.claiming_ends));
    assert_eq!(supervision.tick(Limits::BOOT.claiming_ends), [Command::Abandon(id)]);
    assert_eq!(supervision.deadline(), None);
}

#[test]
fn everything_ends_in_time_when_every_worker_blocks() {
    let mut supervision = Supervision::new(Limits::BOOT);
    // The module took its time.
    let late = seconds(4.9);
    let mut commands = supervision.begin(late, (1..=8).map(target).collect());
    let mut now = late;
    while let Some(deadline) = supervision.deadline() {
        // Every worker makes one change and blocks in the next operation.
        for command in commands {
            if let Command::Start(id, Assignment::Claim(targets)) = command {
                let gpu = targets[0].functions[0].address;
                supervision.event(now, id, WorkerEvent::Changed(overridden(gpu)));
                let twin = targets[0].functions[1].address;
                supervision.event(now, id, WorkerEvent::Began(unbind(twin)));
            }
        }
        now = deadline;
        commands = supervision.tick(now);
    }
    assert!(now < Limits::BOOT.whole, "{now:?}");
    let finished = supervision.into_finished();
    assert_eq!(finished.len(), 8);
    for finished in finished {
        let rollback = finished.outcome.rollback.unwrap();
        // What may still happen, and what was left for that reason.
        assert_eq!(rollback.leftovers.len(), 2, "{rollback:?}");
    }
}

#[test]
fn a_worker_that_dies_is_like_one_that_blocks_but_holds_nothing() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let id = blocked(&mut supervision, vec![target(1), target(2)]);
    let commands = supervision.gone(seconds(0.1), id, "signal 9");
    let [
        Command::Abandon(_),
        Command::Start(_, Assignment::Undo { changes, rollback }),
        Command::Start(..),
    ] = commands.as_slice()
    else {
        panic!("{commands:?}");
    };
    assert_eq!(changes.len(), 2);
    assert!(sentence(&rollback.failure.finding).contains("signal 9"), "{rollback:?}");
}

#[test]
fn gpus_that_the_time_did_not_reach_are_told_so() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let (id, _) = started(&supervision.begin(seconds(10.0), vec![target(1), target(2)]));
    assert_eq!(supervision.tick(Limits::BOOT.claiming_ends), [Command::Abandon(id)]);
    let finished = supervision.into_finished();
    let late = &finished[1].outcome;
    assert!(!late.begun);
    assert_eq!(late.rollback.as_ref().unwrap().failure.kind, FailureKind::OutOfTime);
}

#[test]
fn a_busy_worker_that_runs_out_of_time_holds_nothing_and_is_taken_back_whole() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let (id, _) = started(&supervision.begin(Duration::ZERO, vec![target(1)]));
    supervision.event(seconds(10.8), id, WorkerEvent::Changed(overridden(function(1, 0))));
    supervision.event(seconds(10.9), id, WorkerEvent::Began(unbind(function(1, 0))));
    let commands = supervision.tick(Limits::BOOT.claiming_ends);
    let [
        Command::Abandon(_),
        Command::Start(_, Assignment::Undo { changes, rollback }),
    ] = commands.as_slice()
    else {
        panic!("{commands:?}");
    };
    assert_eq!(*changes, [overridden(function(1, 0))]);
    assert_eq!(rollback.failure.kind, FailureKind::OutOfTime);
    assert_eq!(
        supervision.unreturned(),
        [(id, function(1, 0))],
        "it may be held all the same"
    );
    assert_eq!(
        as_text(&rollback.leftovers),
        ["unbind 0000:01:00.0 from nouveau: not known whether it took effect, or still will"]
    );
}

#[test]
fn a_worker_that_blocks_on_its_way_back_leaves_the_rest_and_the_first_cause_stands() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let id = blocked(&mut supervision, vec![target(1)]);
    let cause = Failure::other(Finding::error(id::BIND_REFUSED, Subject::function(function(1, 0))));
    let turned_back = Rollback {
        function: Some(function(1, 0)),
        during: Some(unbind(function(1, 0))),
        failure: cause.clone(),
        leftovers: Vec::new(),
    };
    supervision.event(seconds(0.1), id, WorkerEvent::TurnedBack(turned_back));
    let way_back = Operation {
        function: function(1, 1),
        verb: overridden(function(1, 1)).undo,
    };
    supervision.event(seconds(0.2), id, WorkerEvent::Began(way_back.clone()));
    supervision.event(seconds(0.2), id, WorkerEvent::Undone(way_back));
    let way_back = Operation {
        function: function(1, 0),
        verb: overridden(function(1, 0)).undo,
    };
    supervision.event(seconds(0.3), id, WorkerEvent::Began(way_back));
    assert_eq!(supervision.tick(seconds(5.3)), [Command::Abandon(id)]);
    assert_eq!(supervision.unreturned(), [(id, function(1, 0))]);
    let rollback = supervision.into_finished().remove(0).outcome.rollback.unwrap();
    assert_eq!(rollback.failure, cause);
    assert_eq!(
        as_text(&rollback.leftovers),
        ["clear driver_override of 0000:01:00.0: not known whether it took effect, or still will"]
    );
}

fn probe(function: FunctionAddress) -> Operation {
    Operation {
        function,
        verb: Verb::Probe,
    }
}

/// Gives the first GPU's turn to the others, and returns their worker.
fn postponed(supervision: &mut Supervision, slow: u8) -> WorkerId {
    let targets = vec![target(slow), target(8), target(9)];
    let (id, _) = started(&supervision.begin(Duration::ZERO, targets));
    supervision.event(seconds(0.0), id, WorkerEvent::Began(probe(function(slow, 0))));
    assert_eq!(supervision.deadline(), Some(Limits::BOOT.turn));
    assert_eq!(supervision.tick(seconds(0.9)), []);
    let commands = supervision.tick(seconds(1.0));
    let [
        Command::Abandon(abandoned),
        Command::Start(others, Assignment::Claim(rest)),
    ] = commands.as_slice()
    else {
        panic!("{commands:?}");
    };
    assert_eq!((*abandoned, rest), (id, &vec![target(8), target(9)]));
    // What the first one still says is too late.
    supervision.event(seconds(1.1), id, WorkerEvent::Ended(success(), seconds(1.1)));
    *others
}

/// One GPU whose every register takes 400 ms. While it is read, nobody else's registers are.
#[test]
fn a_slow_gpu_begins_again_when_all_others_have_ended() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let others = postponed(&mut supervision, 1);
    supervision.event(seconds(1.2), others, WorkerEvent::Ended(success(), seconds(0.1)));
    assert_eq!(supervision.tick(seconds(2.0)), []);
    supervision.event(seconds(2.1), others, WorkerEvent::Ended(success(), seconds(0.1)));
    assert_eq!(supervision.deadline(), Some(Duration::ZERO));
    let (again, assignment) = started(&supervision.tick(seconds(2.1)));
    assert_eq!(assignment, Assignment::Claim(vec![target(1)]));
    // Nobody waits for it any more: it has all the time there is, and no more.
    supervision.event(seconds(4.0), again, WorkerEvent::Began(probe(function(1, 1))));
    assert_eq!(supervision.tick(seconds(8.0)), []);
    supervision.event(seconds(8.5), again, WorkerEvent::Began(probe(function(1, 1))));
    assert_eq!(supervision.tick(Limits::BOOT.claiming_ends), [Command::Abandon(again)]);
    assert_eq!(supervision.deadline(), None);
    assert_eq!(
        devices(supervision),
        [
            ("0000:08:00".to_owned(), true),
            ("0000:09:00".to_owned(), true),
            ("0000:01:00".to_owned(), false),
        ]
    );
}

#[test]
fn slow_gpus_come_one_after_the_other() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let rest = postponed(&mut supervision, 1);
    supervision.event(seconds(1.1), rest, WorkerEvent::Began(probe(function(8, 0))));
    let commands = supervision.tick(seconds(2.1));
    let [Command::Abandon(_), Command::Start(last, _)] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    supervision.event(seconds(2.2), *last, WorkerEvent::Ended(success(), seconds(0.1)));
    for gpu in [1, 8] {
        let (id, assignment) = started(&supervision.tick(seconds(3.0)));
        assert_eq!(assignment, Assignment::Claim(vec![target(gpu)]));
        assert_eq!(supervision.tick(seconds(4.5)), []);
        supervision.event(seconds(5.0), id, WorkerEvent::Ended(success(), seconds(2.0)));
    }
    assert_eq!(supervision.deadline(), None);
    assert_eq!(supervision.into_finished().len(), 3);
}

/// The others took all the time: a slow GPU that nobody came back to is in the report all the same.
#[test]
fn a_slow_gpu_that_nobody_comes_back_to_is_out_of_time() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let others = postponed(&mut supervision, 1);
    for _ in [8, 9] {
        supervision.event(
            Limits::BOOT.claiming_ends,
            others,
            WorkerEvent::Ended(success(), seconds(0.1)),
        );
    }
    assert_eq!(supervision.tick(Limits::BOOT.claiming_ends), []);
    assert_eq!(supervision.deadline(), None);
    let last = supervision.into_finished().pop().unwrap();
    assert_eq!(last.device.to_string(), "0000:01:00");
    let why = last.outcome.rollback.unwrap().failure;
    assert_eq!(why.kind, FailureKind::OutOfTime);
    assert_eq!(why.finding.id, id::CLAIM_OUT_OF_TIME);
}

#[test]
fn a_gpu_that_is_changed_keeps_its_turn() {
    let mut supervision = Supervision::new(Limits::BOOT);
    let (id, _) = started(&supervision.begin(Duration::ZERO, vec![target(1), target(2)]));
    supervision.event(seconds(0.5), id, WorkerEvent::Began(write_override(function(1, 0))));
    assert_eq!(supervision.tick(seconds(1.5)), []);
    supervision.event(seconds(1.6), id, WorkerEvent::Changed(overridden(function(1, 0))));
    supervision.event(seconds(1.6), id, WorkerEvent::Began(probe(function(1, 1))));
    assert_eq!(supervision.tick(seconds(3.0)), []);
}
