//! The report's form is frozen, since other tools read it. It must not report a claim that does not hold.

use reseat_core::capability::power_management::PowerState;

use super::*;
use crate::claim::{Failure, FunctionPower, Operation, Outcome, PmcsrReading, PowerReading, Rollback, Verb};
use crate::messages::report::{leftover, lines, log_lines};
use crate::model::display::{Framebuffer, Sign, SignKind};
use crate::model::finding::SubjectKind;
use crate::model::inventory;
use crate::model::inventory::tests::{function, twins};
use crate::model::inventory::{Details, Function};
use crate::model::iommu::IommuFacts;
use crate::model::variants::Variant;
use crate::plan::{self, PlanInputs};
use crate::rules::{self, CommandLine, Rule};

fn texts(report: &Report) -> Vec<String> {
    lines(report).into_iter().map(|(_, line)| line).collect()
}

fn left(report: &Report) -> Vec<String> {
    report.gpus[0].leftovers.iter().map(leftover).collect()
}

fn findings(claims: &str) -> RunResult {
    let rules = CommandLine::parse(&format!("reseat.claim={claims}")).rules;
    findings_of(rules, &twins())
}

fn findings_of(rules: Vec<Rule>, functions: &[Function]) -> RunResult {
    let machine = PlanInputs {
        functions,
        unreadable: &[],
        details: &Details::default(),
        signs: &[],
        iommu: &IommuFacts::default(),
    };
    RunResult {
        plan: plan::plan(rules, machine),
        problems: Vec::new(),
        vfio_pci: Some(ModuleReport {
            loaded: true,
            disable_idle_d3: Some(true),
            duration_ms: 12.5,
            warning: None,
            problem: None,
        }),
        finished: Vec::new(),
        no_backend: None,
        occupied: Vec::new(),
        dry_run: false,
        newest_function: Some(23_817),
    }
}

fn finished(gpu: u8, rollback: Option<Rollback>) -> Finished {
    let functions = inventory::gpus(&twins()).remove(usize::from(gpu) - 1).functions;
    let reading = PowerReading {
        power_state: Some("D0".to_owned()),
        pmcsr: Some(PmcsrReading::State(PowerState::D0)),
        runtime_status: Some("active".to_owned()),
        control: Some("on".to_owned()),
        d3cold_allowed: Some("0".to_owned()),
    };
    let power = functions.iter().map(|function| FunctionPower {
        address: function.address,
        reading: reading.clone(),
    });
    Finished {
        device: functions[0].address.device_address(),
        outcome: Outcome {
            begun: true,
            power: power.filter(|_| rollback.is_none()).collect(),
            rollback,
        },
        took: Duration::from_micros(41_250),
    }
}

fn boot() -> Boot {
    Boot {
        kernel: Some("6.1.0-50-amd64".to_owned()),
        boot_id: Some("0f5b941e-0000-4000-8000-000000000000".to_owned()),
    }
}

struct Drivers<F>(F);

impl<F: Fn(FunctionAddress) -> Option<&'static str>> DriversNow for Drivers<F> {
    fn driver_of(&self, function: FunctionAddress) -> Option<String> {
        self.0(function).map(str::to_owned)
    }

    fn lets_vms_in(&self, driver: &str) -> bool {
        driver == VFIO_PCI
    }
}

fn report(findings: RunResult, driver: impl Fn(FunctionAddress) -> Option<&'static str>) -> Report {
    Report::new(findings, boot(), &Drivers(driver), Duration::from_micros(203_300))
}

fn refused() -> Rollback {
    Rollback {
        function: Some("0000:01:00.1".parse().unwrap()),
        during: Some(Operation {
            function: "0000:01:00.1".parse().unwrap(),
            verb: Verb::Bind {
                driver: VFIO_PCI.to_owned(),
            },
        }),
        failure: Failure::other(
            Finding::error(
                id::NO_DRIVER_AFTER_BIND,
                Subject::function("0000:01:00.1".parse().unwrap()),
            )
            .with("driver", VFIO_PCI),
        ),
        leftovers: Vec::new(),
    }
}

/// Never edited: a change here is a change of the schema, which then gets another name.
const FROZEN: &str = include_str!("claim-2.json");
const FIRST: &str = include_str!("claim-1.json");

#[test]
fn the_form_is_the_frozen_one() {
    let mut findings = findings("0000:01:00.0,0000:02:00.0,0000:09:00.0");
    findings.finished = vec![finished(1, Some(refused())), finished(2, None)];
    let report = report(findings, |address| (address.bus() == 2).then_some("vfio-pci"));
    let written = serde_json::to_string_pretty(&report).unwrap() + "\n";
    assert_eq!(written, FROZEN.replace("@VERSION@", env!("CARGO_PKG_VERSION")));
    assert_eq!(serde_json::from_str::<Report>(&written).unwrap(), report);
}

#[test]
fn a_report_of_the_first_version_is_read_and_says_the_same() {
    let first = first_version::read(FIRST).unwrap();
    let mut findings = findings("0000:01:00.0,0000:02:00.0,0000:09:00.0");
    let mut refused = refused();
    refused.failure.finding = Finding::error(id::REPORT_IN_WORDS, Subject::machine()).with("text", "Invalid argument");
    findings.finished = vec![finished(1, Some(refused)), finished(2, None)];
    let mut now = report(findings, |address| (address.bus() == 2).then_some("vfio-pci"));
    // Version 1 did not list the existing functions.
    let nothing = Finding::error(id::RULE_NO_FUNCTION, Subject::named(SubjectKind::Rule, "0000:09:00.0"));
    now.rules[2].problem = Some(nothing.with("address", "0000:09:00.0"));
    let texts = |report: &Report| lines(report).into_iter().collect::<Vec<_>>();
    assert_eq!(texts(&first), texts(&now));
    assert_eq!((first.verdict, first.complete), (now.verdict, now.complete));
    assert_eq!(first.newest_function, Some(23_817));
    assert_eq!(first.gpus[1], now.gpus[1], "a GPU without a problem is the same");
    assert_eq!(first.rules[0], now.rules[0]);
}

#[test]
fn a_sentence_of_the_first_version_keeps_its_place() {
    let text = FIRST
        .replace(
            "\"source\": \"kernel command line\"",
            "\"source\": \"/etc/reseat/reseat.toml:7\"",
        )
        .replace("\"problems\": []", "\"problems\": [\"it is so\"]")
        .replacen("\"leftovers\": []", "\"leftovers\": [\"a driver\"]", 1)
        .replacen(
            "\"functions\": [",
            "\"display\": [\"a picture\"], \"replaces\": \"another\", \"functions\": [",
            1,
        );
    let said: Vec<String> = texts(&first_version::read(&text).unwrap());
    for expected in [
        "it is so",
        "rule `0000:09:00.0` (/etc/reseat/reseat.toml:7): no function at 0000:09:00.0",
        "0000:01:00: left behind: a driver",
        "0000:01:00: a picture",
        "0000:01:00: in the place of another, which is out of service: another",
    ] {
        assert!(said.iter().any(|line| line == expected), "{expected}: {said:#?}");
    }
}

#[test]
fn a_claim_that_holds_is_complete() {
    let mut findings = findings("gpu");
    findings.finished = vec![finished(1, None), finished(2, None)];
    let report = report(findings, |_| Some("vfio-pci"));
    assert_eq!(report.verdict, Verdict::Claimed);
    assert!(report.complete);
    let lines = texts(&report);
    assert_eq!(
        lines,
        [
            "0000:01:00: 2 functions on vfio-pci, in D0 and pinned, in 41.2 ms",
            "0000:02:00: 2 functions on vfio-pci, in D0 and pinned, in 41.2 ms",
            "2 GPUs claimed in 203.3 ms"
        ]
    );
}

#[test]
fn a_claimed_gpu_whose_group_no_vm_can_open_is_no_success() {
    for (driver, is_usable) in [(Some("nvme"), false), (Some("vfio-pci"), true), (None, true)] {
        let mut findings = findings("0000:01:00.0");
        findings.finished = vec![finished(1, None)];
        let report = report(findings, |address| match address.bus() {
            1 => Some("vfio-pci"),
            _ => driver,
        });
        assert_eq!(report.gpus[0].verdict, GpuVerdict::Claimed);
        assert_eq!(report.complete, is_usable, "{driver:?}");
        let said = texts(&report);
        let why = "no VM can open 0000:01:00: 0000:02:00.1, in its IOMMU group, is on driver nvme";
        assert_eq!(said.iter().any(|line| line == why), !is_usable, "{said:#?}");
    }
}

#[test]
fn without_the_container_nothing_that_is_claimed_is_a_success() {
    let mut findings = findings("gpu");
    findings.finished = vec![finished(1, Some(refused())), finished(2, None)];
    let module = Subject::named(SubjectKind::Module, "vfio_iommu_type1");
    findings.no_backend = Some(Finding::error(id::NO_IOMMU_BACKEND, module).with("cause", "it is not there"));
    let report = report(findings, |address| (address.bus() == 2).then_some("vfio-pci"));
    let usable: Vec<bool> = report.gpus.iter().map(|gpu| gpu.not_usable.is_none()).collect();
    assert_eq!(usable, [true, false], "what is given back is nobody's");
    assert!(!report.complete);
    assert_eq!(report.verdict, Verdict::Incomplete);
}

#[test]
fn what_shares_the_group_and_what_was_shown_is_said_and_kept() {
    let mut findings = findings("0000:01:00.0");
    findings.finished = vec![finished(1, None)];
    findings.plan.signs = vec![Sign {
        function: "0000:01:00.0".parse().unwrap(),
        kind: SignKind::Framebuffer(Framebuffer {
            device: "efi-framebuffer.0".to_owned(),
            driver: Some("efi-framebuffer".to_owned()),
        }),
    }];
    let report = report(findings, |address| {
        Some(if address.bus() == 1 { "vfio-pci" } else { "nouveau" })
    });
    assert!(!report.complete, "nobody can open the group");
    let lines = lines(&report);
    let (tone, peer) = &lines[2];
    assert_eq!(*tone, Tone::Warning);
    assert!(
        peer.starts_with("0000:01:00: 0000:02:00.1 [10de:1aef], on driver nouveau, is in the same IOMMU group"),
        "{peer}"
    );
    assert_eq!(
        lines[4].1,
        "0000:01:00: the firmware's framebuffer (efi-framebuffer.0 on driver efi-framebuffer) is in the memory of \
         0000:01:00.0"
    );
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    assert_eq!(report.gpus[0].peers.len(), 2);
}

/// The dry run for rules in a file, with a network card in the twins' group.
fn dry_run(rules: &str) -> (Report, Vec<String>) {
    let mut functions = twins();
    functions.push(function("0000:04:00.0", "8086:10fb", "020000"));
    functions.sort_by_key(|function| function.address);
    let mut findings = findings_of(rules::parse_file("f", rules.as_bytes()).unwrap(), &functions);
    findings.dry_run = true;
    let report = report(findings, |_| None);
    let lines = texts(&report);
    (report, lines)
}

#[test]
fn who_is_claimed_with_a_gpu_is_named() {
    let (_, lines) = dry_run("[[claim]]\nselect = \"0000:01:00.0\"\ngroup-peers = [\"8086:10fb\"]\n");
    assert_eq!(
        lines[1],
        "0000:01:00: would claim 5 functions (with 0000:02:00.0 [10de:2231], 0000:02:00.1 [10de:1aef], 0000:04:00.0 \
         [8086:10fb] of its IOMMU group)"
    );
}

#[test]
fn who_is_left_though_the_rule_takes_peers_is_told_why() {
    let rule = "[[claim]]\nselect = \"0000:01:00.0\"\ngroup-peers = \"8086:10fb\"\nnot = \"0000:02:00.0\"\n";
    let (report, lines) = dry_run(rule);
    assert!(
        lines[2].ends_with("while a host driver has it (left out by `not`)"),
        "{lines:#?}"
    );
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

#[test]
fn a_virtual_function_in_the_group_is_not_promised_to_any_rule() {
    let mut functions = twins();
    functions.push(Function {
        physical: Some("0000:05:00.0".parse().unwrap()),
        ..function("0000:05:10.0", "8086:10ed", "020000")
    });
    let rules = CommandLine::parse("reseat.claim=gpu").rules;
    let lines = lines(&report(findings_of(rules, &functions), |_| None));
    let mut peers = lines.iter().filter(|(_, line)| line.contains("0000:05:10.0"));
    let (_, line) = peers.next().unwrap();
    assert!(line.ends_with("(a virtual function is never claimed)"), "{line}");
}

#[test]
fn a_variant_has_to_have_its_function_at_the_end() {
    let of_a_variant = |driver: &'static str| {
        let mut findings = findings("gpu");
        findings.finished = vec![finished(1, None), finished(2, None)];
        let variant = Variant {
            module: "nvgrace_gpu_vfio_pci".to_owned(),
            driver: Some("nvgrace-gpu-vfio-pci".to_owned()),
        };
        let function: FunctionAddress = "0000:02:00.0".parse().unwrap();
        findings.plan.variants = vec![(function, variant)];
        report(findings, move |address| {
            Some(if address == function { driver } else { "vfio-pci" })
        })
    };
    let held = of_a_variant("nvgrace-gpu-vfio-pci");
    assert!(held.complete);
    assert_eq!(
        texts(&held)[1],
        "0000:02:00: 2 functions on vfio-pci (0000:02:00.0 by nvgrace-gpu-vfio-pci), in D0 and pinned, in 41.2 ms"
    );
    assert_eq!(of_a_variant("vfio-pci").gpus[1].verdict, GpuVerdict::Stuck);
}

#[test]
fn a_function_that_was_lost_again_is_not_claimed() {
    let mut findings = findings("0000:01:00.0");
    findings.finished = vec![finished(1, None)];
    let report = report(findings, |address| (address.function() == 0).then_some("vfio-pci"));
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert_eq!(report.gpus[0].verdict, GpuVerdict::Stuck);
    assert_eq!(left(&report), ["0000:01:00.1 has no driver now, not vfio-pci"]);
}

#[test]
fn a_function_that_is_not_back_with_its_driver_is_not_given_back() {
    let mut findings = findings("0000:01:00.0");
    findings.finished = vec![finished(1, Some(refused()))];
    let report = report(findings, |address| (address.function() == 0).then_some("vfio-pci"));
    assert_eq!(report.gpus[0].verdict, GpuVerdict::Stuck);
    assert_eq!(left(&report), ["0000:01:00.0 has vfio-pci now, not no driver"]);
    let log = texts(&report);
    assert!(
        log.iter()
            .any(|line| line.contains("left behind: 0000:01:00.0 has vfio-pci")),
        "{log:?}"
    );
}

#[test]
fn a_dry_run_with_a_rule_that_came_to_nothing_is_not_complete() {
    let mut findings = findings("0000:01:00.0,0000:09:00.0");
    findings.dry_run = true;
    let report = report(findings, |_| None);
    assert_eq!(report.verdict, Verdict::DryRun);
    assert!(!report.complete);
    let (tone, line) = lines(&report).pop().unwrap();
    assert_eq!(tone, Tone::Warning);
    assert!(line.contains("not all is in order"), "{line}");
}

#[test]
fn a_driver_without_its_parameter_is_warned_of() {
    let mut findings = findings("0000:01:00.0");
    findings.finished = vec![finished(1, None)];
    findings.vfio_pci.as_mut().unwrap().warning =
        Some(Finding::warning(id::REPORT_IN_WORDS, Subject::machine()).with("text", "without disable_idle_d3"));
    let report = report(findings, |_| Some("vfio-pci"));
    assert!(report.complete, "the pin holds all the same");
    assert_eq!(lines(&report)[0], (Tone::Warning, "without disable_idle_d3".to_owned()));
}

#[test]
fn the_log_is_kept_short() {
    let selectors = vec!["bogus"; 500].join(",");
    let report = report(findings(&selectors), |_| None);
    assert_eq!(lines(&report).len(), 501, "people are told all of it");
    let lines = log_lines(&report);
    assert!(lines.len() <= 42, "{}", lines.len());
    assert!(
        lines.iter().any(|(_, line)| line == "460 more lines are in the report"),
        "{lines:?}"
    );
}

#[test]
fn an_idle_run_with_problems_is_no_quiet_end() {
    let problem = vec![Finding::error(id::FILE_UNREADABLE, Subject::file("rules"))];
    let report = Report::idle(Verdict::NoRules, problem, boot(), Duration::ZERO);
    assert_eq!((report.verdict, report.complete), (Verdict::Incomplete, false));
    let report = Report::idle(Verdict::NoRules, Vec::new(), boot(), Duration::ZERO);
    assert_eq!((report.verdict, report.complete), (Verdict::NoRules, true));
}

#[test]
fn a_gpu_whose_turn_did_not_come_was_not_touched() {
    let mut late = finished(1, Some(refused()));
    late.outcome.begun = false;
    let mut findings = findings("0000:01:00.0");
    findings.finished = vec![late];
    let report = report(findings, |_| None);
    assert_eq!(report.gpus[0].verdict, GpuVerdict::NotReached);
}
