use reseat_core::capability::serial_number::SerialNumber;

use super::*;
use crate::messages::line;
use crate::model::display::SignKind;
use crate::model::finding::{Subject, id};
use crate::model::inventory::tests::{function, processor_graphics, twins};
use crate::model::inventory::{Detail, Serial};
use crate::model::system_use::SystemUseKind;
use crate::rules::{self, CommandLine};

fn planned_on(functions: &[Function], unreadable: &[(FunctionAddress, Finding)], selectors: &str) -> ClaimPlan {
    planned_by(
        &format!("reseat.claim={selectors}"),
        functions,
        unreadable,
        &Details::default(),
    )
}

fn planned_by(
    command_line: &str,
    functions: &[Function],
    unreadable: &[(FunctionAddress, Finding)],
    details: &Details,
) -> ClaimPlan {
    let rules = CommandLine::parse(command_line).join(Vec::new());
    let iommu = &iommu::IommuFacts::default();
    plan(
        rules,
        PlanInputs {
            functions,
            unreadable,
            details,
            signs: &[],
            iommu,
        },
    )
}

fn planned(selectors: &str) -> ClaimPlan {
    planned_on(&twins(), &[], selectors)
}

fn claimed(plan: &ClaimPlan) -> Vec<String> {
    plan.claim.iter().map(|gpu| gpu.device.to_string()).collect()
}

fn nothing(plan: &ClaimPlan) -> String {
    match &plan.rules[0].1 {
        RuleOutcome::Nothing(nothing) => line(&nothing.finding(&plan.rules[0].0.choice)),
        RuleOutcome::Chose(devices) => panic!("chose {devices:?}"),
    }
}

fn refused(plan: &ClaimPlan) -> String {
    let (gpu, refusal) = &plan.refused[0];
    line(&refusal.finding(gpu.device))
}

fn unread() -> Finding {
    Finding::error(id::REPORT_IN_WORDS, Subject::machine()).with("text", "its class is missing")
}

#[test]
fn an_address_chooses_its_gpu_and_not_the_twin() {
    assert_eq!(claimed(&planned("0000:02:00.0")), ["0000:02:00"]);
}

#[test]
fn any_function_stands_for_its_gpu() {
    assert_eq!(claimed(&planned("0000:02:00.1")), ["0000:02:00"]);
}

#[test]
fn a_device_number_stands_for_its_gpu() {
    for name in ["0000:02:00", "02:00", "pci_0000_02_00_1", "02:00@10de:1aef"] {
        assert_eq!(claimed(&planned(name)), ["0000:02:00"], "{name}");
    }
    assert_eq!(
        nothing(&planned("09:00")),
        "no GPU has 0000:09:00: there is 0000:01:00, 0000:02:00"
    );
    let no_gpu = nothing(&planned("03:00"));
    assert!(no_gpu.contains("0000:03:00.0 belongs to no GPU"), "{no_gpu}");
    let class = Finding::error(id::FILE_UNREADABLE, Subject::file("class")).with("cause", "missing");
    let unreadable = [("0000:04:00.1".parse().unwrap(), class)];
    let plan = planned_on(&twins(), &unreadable, "04:00");
    assert_eq!(nothing(&plan), "cannot read class: missing: not claimed");
}

#[test]
fn an_identity_chooses_both_twins() {
    assert_eq!(claimed(&planned("10de:2231")), ["0000:01:00", "0000:02:00"]);
    assert_eq!(claimed(&planned("gpu")), ["0000:01:00", "0000:02:00"]);
}

#[test]
fn a_gpu_chosen_twice_is_claimed_once() {
    let plan = planned("gpu,0000:01:00.0,10de:1aef");
    assert_eq!(claimed(&plan), ["0000:01:00", "0000:02:00"]);
}

#[test]
fn a_guard_that_holds_claims_and_one_that_fails_refuses() {
    assert_eq!(claimed(&planned("0000:01:00.0@10de:2231")), ["0000:01:00"]);
    let plan = planned("0000:01:00.0@10de:1eb8");
    assert!(plan.claim.is_empty());
    assert_eq!(nothing(&plan), "0000:01:00.0 is 10de:2231, not 10de:1eb8: not claimed");
}

#[test]
fn a_rule_without_a_match_says_so_and_others_stand() {
    let plan = planned("0000:09:00.0,0000:01:00.0");
    assert_eq!(
        nothing(&plan),
        "no function at 0000:09:00.0; the GPUs' functions are 0000:01:00.0, 0000:01:00.1, 0000:02:00.0, 0000:02:00.1"
    );
    assert_eq!(claimed(&plan), ["0000:01:00"]);
    assert_eq!(nothing(&planned("1002:73bf")), "no GPU has a function 1002:73bf");
}

#[test]
fn what_is_no_gpu_is_never_claimed() {
    let plan = planned("0000:03:00.0");
    assert!(plan.claim.is_empty());
    assert!(nothing(&plan).contains("belongs to no GPU"), "{}", nothing(&plan));
    assert_eq!(nothing(&planned("1b36:0010")), "no GPU has a function 1b36:0010");
}

#[test]
fn one_function_without_a_group_refuses_the_whole_gpu() {
    let mut functions = twins();
    functions[2].iommu_group = None;
    let plan = planned_on(&functions, &[], "gpu");
    assert_eq!(claimed(&plan), ["0000:02:00"]);
    let (gpu, refusal) = &plan.refused[0];
    assert_eq!(gpu.device.to_string(), "0000:01:00");
    assert!(
        line(&refusal.finding(gpu.device)).starts_with("0000:01:00.1: no IOMMU"),
        "{refusal:?}"
    );
}

#[test]
fn where_groups_come_with_drivers_the_claim_is_to_see() {
    let mut functions = twins();
    functions[2].iommu_group = None;
    let planned = |running, peers| {
        let machine = PlanInputs {
            functions: &functions,
            unreadable: &[],
            details: &Details::default(),
            signs: &[],
            iommu: &iommu::IommuFacts {
                running,
                processor: iommu::Processor::Arm,
                ..iommu::IommuFacts::default()
            },
        };
        let mut rules = CommandLine::parse("reseat.claim=gpu").join(Vec::new());
        rules[0].group_peers = peers;
        plan(rules, machine)
    };
    assert_eq!(claimed(&planned(true, GroupPeers::Leave)), ["0000:01:00", "0000:02:00"]);
    assert_eq!(claimed(&planned(false, GroupPeers::Leave)), ["0000:02:00"]);
    // The peers that would have to be claimed with it are unknown.
    let with_peers = planned(true, GroupPeers::Claim);
    assert_eq!(claimed(&with_peers), ["0000:02:00"]);
    let refusal = refused(&with_peers);
    assert!(refusal.contains("`group-peers` cannot be met"), "{refusal}");
}

#[test]
fn a_gpu_of_which_one_function_cannot_be_read_is_refused() {
    let functions: Vec<Function> = twins()
        .into_iter()
        .filter(|it| it.address.to_string() != "0000:01:00.1")
        .collect();
    let unreadable = [("0000:01:00.1".parse().unwrap(), unread())];
    let plan = planned_on(&functions, &unreadable, "gpu");
    assert_eq!(claimed(&plan), ["0000:02:00"]);
    assert_eq!(refused(&plan), "its class is missing");
    let plan = planned_on(&functions, &unreadable, "0000:01:00.1");
    assert_eq!(nothing(&plan), "its class is missing: not claimed");
}

#[test]
fn what_is_out_of_service_is_neither_claimed_nor_refused_and_its_twin_is_claimed() {
    let mut functions = twins();
    functions[2].iommu_group = None;
    for (selectors, claimed_then) in [
        ("gpu", vec!["0000:02:00"]),
        ("0000:02:00.0", vec!["0000:02:00"]),
        ("0000:01:00.0", vec![]),
    ] {
        let mut plan = planned_on(&functions, &[], selectors);
        plan.set_aside(&functions, |gpu, _| {
            (gpu.device.to_string() == "0000:01:00").then(|| OutOfService::Noted("sick".to_owned()))
        });
        assert_eq!(claimed(&plan), claimed_then, "{selectors}");
        assert!(plan.refused.is_empty());
        assert_eq!(plan.out_of_service[0].0.device.to_string(), "0000:01:00");
    }
}

#[test]
fn narrowed_to_a_gpu_only_what_is_about_it_is_left() {
    let device = "0000:02:00".parse().unwrap();
    for (selectors, left) in [
        ("gpu", vec!["gpu"]),
        ("0000:01:00.0,0000:02:00.1,1002:73bf,every", vec!["0000:02:00.1"]),
        ("0000:02:00.0@10de:1eb8", vec!["0000:02:00.0@10de:1eb8"]),
        ("0000:01:00.0@10de:1eb8,0000:09:00.0,0000:03:00.0", vec![]),
    ] {
        let mut plan = planned(selectors);
        let was_claimed = claimed(&plan).contains(&"0000:02:00".to_owned());
        plan.narrow_to(device);
        let rules: Vec<&str> = plan.rules.iter().map(|(rule, _)| rule.choice.text.as_str()).collect();
        assert_eq!(rules, left);
        assert_eq!(claimed(&plan), if was_claimed { vec!["0000:02:00"] } else { vec![] });
        assert_eq!(plan.is_empty(), left.is_empty());
    }
}

#[test]
fn on_a_running_machine_no_peer_is_taken_from_a_driver_of_the_hosts() {
    let taking = "[[claim]]\nselect = \"gpu\"\ngroup-peers = true\n";
    for (driver, is_refused) in [(None, false), (Some("vfio-pci"), false), (Some("nvme"), true)] {
        let mut functions = with_peers();
        for function in &mut functions {
            function.driver = match function.address.to_string().as_str() {
                "0000:04:00.0" => driver.map(str::to_owned),
                // The GPU's own functions are not peers.
                _ => Some("nouveau".to_owned()),
            };
        }
        let mut plan = planned_by_file(taking, &functions, &[]);
        plan.spare_peers_at_work(|driver| driver == "vfio-pci");
        assert_eq!(
            claimed(&plan).contains(&"0000:02:00".to_owned()),
            !is_refused,
            "{driver:?}"
        );
        assert!(claimed(&plan).contains(&"0000:01:00".to_owned()), "{driver:?}");
        assert_eq!(plan.refused.len(), usize::from(is_refused), "{driver:?}");
        if !plan.refused.is_empty() {
            let why = refused(&plan);
            assert!(
                why.starts_with("0000:04:00.0, in its IOMMU group, is on driver nvme"),
                "{why}"
            );
        }
    }
}

#[test]
fn what_is_out_of_service_and_has_virtual_functions_is_not_isolated() {
    let mut functions = twins();
    functions.push(Function {
        physical: Some("0000:01:00.0".parse().unwrap()),
        ..function("0000:01:00.4", "10de:2231", "030200")
    });
    let mut plan = planned_on(&functions, &[], "0000:02:00.0");
    plan.set_aside(&functions, |gpu, _| {
        (gpu.device.to_string() == "0000:01:00").then(|| OutOfService::Noted("by the operator".to_owned()))
    });
    assert!(plan.out_of_service.is_empty());
    assert_eq!(
        refused(&plan),
        "it is out of service (by the operator) and not isolated: 0000:01:00.0 has 1 virtual function, which would be gone"
    );
    assert_eq!(claimed(&plan), ["0000:02:00"]);
}

#[test]
fn where_nobody_knows_only_what_would_be_claimed_is_set_aside() {
    let mut plan = planned("0000:02:00.0");
    plan.set_aside(&twins(), |_, chosen| {
        (chosen == Chosen::Yes).then(|| OutOfService::Noted("nobody knows".to_owned()))
    });
    assert_eq!(plan.out_of_service.len(), 1);
    assert_eq!(plan.out_of_service[0].0.device.to_string(), "0000:02:00");
    assert!(plan.claim.is_empty());
}

#[test]
fn a_stranger_is_not_isolated_with_a_gpu() {
    let mut functions = twins();
    functions.push(function("0000:01:00.2", "1022:1649", "108000"));
    let mut plan = planned_on(&functions, &[], "gpu");
    plan.set_aside(&functions, |gpu, _| {
        (gpu.device.to_string() == "0000:01:00").then(|| OutOfService::Noted("sick".to_owned()))
    });
    let (gpu, _) = &plan.out_of_service[0];
    assert_eq!(gpu.functions.len(), 2, "{gpu:?}");
    assert!(plan.refused.is_empty());
}

#[test]
fn a_gpu_beside_a_stranger_is_refused() {
    let mut functions = twins();
    // As with the device number of a processor's own graphics.
    functions.push(function("0000:01:00.2", "1022:1649", "108000"));
    let plan = planned_on(&functions, &[], "gpu");
    assert_eq!(claimed(&plan), ["0000:02:00"]);
    let refusal = refused(&plan);
    assert!(
        refusal.starts_with("0000:01:00.2 stands on its device number"),
        "{refusal}"
    );
}

/// The twins, each in its slot. The second has a serial number, the first has `first`.
fn details(first: Serial) -> Details {
    let second = Serial::Number(SerialNumber(0x0102));
    let gpu = |bus: u8, slot: &str, serial: Serial| {
        let address = |function| format!("0000:0{bus}:00.{function}").parse().unwrap();
        let detail = move |function: u8, serial| Detail {
            subsystem: Some("10de:1482".parse().unwrap()),
            path: Some(format!("pci0000:00/0{bus}.0/00.{function}").parse().unwrap()),
            slot: Some(slot.to_owned()),
            serial,
        };
        [
            (address(0), detail(0, serial)),
            (address(1), detail(1, Serial::NotAsked)),
        ]
    };
    gpu(1, "3", first)
        .into_iter()
        .chain(gpu(2, "4-1/00.0", second))
        .collect()
}

fn planned_with_details(command_line: &str, first: Serial) -> ClaimPlan {
    planned_by(command_line, &twins(), &[], &details(first))
}

#[test]
fn slot_serial_path_and_subsystem_tell_twins_apart() {
    for (selector, expected) in [
        ("slot=3", vec!["0000:01:00"]),
        ("slot=4-1", vec!["0000:02:00"]),
        ("slot=4-1/00.0", vec!["0000:02:00"]),
        ("slot=4-1@10de:2231", vec!["0000:02:00"]),
        ("serial=00-00-00-00-00-00-01-02", vec!["0000:02:00"]),
        ("path=pci0000:00/01.0/00.1", vec!["0000:01:00"]),
        ("subsystem=10de:1482", vec!["0000:01:00", "0000:02:00"]),
        ("10de:2231@subsystem=10de:1482@slot=3", vec!["0000:01:00"]),
    ] {
        let plan = planned_with_details(&format!("reseat.claim={selector}"), Serial::None);
        assert_eq!(claimed(&plan), expected, "{selector}");
    }
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    for (selector, expected) in [
        ("slot=4", "no GPU has slot=4: there is slot=3, slot=4-1/00.0"),
        (
            "serial=00-00-00-00-00-00-01-03",
            "no GPU has serial=00-00-00-00-00-00-01-03: there is serial=00-00-00-00-00-00-01-02",
        ),
        ("slot=3@10de:1eb8", "0000:01:00 is not 10de:1eb8: not claimed"),
        (
            "0000:01:00.0@slot=4-1",
            "0000:01:00.0 is slot=3, not slot=4-1: not claimed",
        ),
        (
            "0000:01:00.0@serial=00-00-00-00-00-00-01-02",
            "0000:01:00.0 is not serial=00-00-00-00-00-00-01-02: not claimed",
        ),
    ] {
        let plan = planned_with_details(&format!("reseat.claim={selector}"), Serial::None);
        assert_eq!(claimed(&plan), Vec::<String>::new());
        assert_eq!(nothing(&plan), expected);
    }
}

#[test]
fn a_serial_number_that_cannot_be_read_is_no_other_one() {
    let first = || Serial::Unreadable(unread());
    let plan = planned_with_details("reseat.claim=serial=00-00-00-00-00-00-01-02", first());
    assert_eq!(claimed(&plan), ["0000:02:00"]);
    let plan = planned_with_details("reseat.claim=serial=00-00-00-00-00-00-01-03", first());
    assert_eq!(
        nothing(&plan),
        "no GPU is known to have serial=00-00-00-00-00-00-01-03: its class is missing"
    );
}

#[test]
fn what_is_left_out_is_not_claimed_by_any_rule() {
    for not in ["slot=3", "0000:01:00.1", "serial=00-00-00-00-00-00-01-02@gpu"] {
        let plan = planned_with_details(&format!("reseat.claim=gpu,10de:2231 reseat.not={not}"), Serial::None);
        assert_eq!(plan.claim.len(), 1, "{not}");
    }
    let plan = planned_with_details("reseat.claim=gpu reseat.not=10de:2231", Serial::None);
    assert_eq!(
        nothing(&plan),
        "all that it chooses is left out by `10de:2231` (kernel command line)"
    );
}

#[test]
fn a_gpu_to_be_left_out_that_is_not_found_stops_the_rule_and_a_model_does_not() {
    for not in ["slot=9", "0000:09:00.0", "0000:01:00.0@10de:1eb8", "bogus"] {
        let plan = planned_with_details(&format!("reseat.claim=gpu reseat.not={not}"), Serial::None);
        assert!(plan.claim.is_empty(), "{not}");
        let why = nothing(&plan);
        assert!(
            why.starts_with(&format!("nothing is claimed, since what `{not}`")),
            "{why}"
        );
    }
    let plan = planned_with_details("reseat.claim=gpu reseat.not=1002:73bf,subsystem=1002:1", Serial::None);
    assert_eq!(plan.claim.len(), 0, "a subsystem of one digit is misspelt");
    let plan = planned_with_details(
        "reseat.claim=gpu reseat.not=1002:73bf,subsystem=1002:0001",
        Serial::None,
    );
    assert_eq!(plan.claim.len(), 2);
}

/// The twins' machine with display signs, and rules from a file.
fn planned_by_file(text: &str, functions: &[Function], signs: &[Sign]) -> ClaimPlan {
    let rules = rules::parse_file("r.toml", text.as_bytes()).unwrap();
    plan(
        rules,
        PlanInputs {
            functions,
            unreadable: &[],
            details: &details(Serial::None),
            signs,
            iommu: &iommu::IommuFacts::default(),
        },
    )
}

/// The twins in separate groups, the second with a signal processor and a bridge beside it.
fn with_peers() -> Vec<Function> {
    let mut functions = twins();
    for function in &mut functions {
        function.iommu_group = Some(function.address.bus().to_string());
    }
    for (address, identity, class) in [
        ("0000:04:00.0", "8086:10fb", "118000"),
        ("0000:00:01.0", "8086:1901", "060400"),
    ] {
        functions.push(Function {
            iommu_group: Some("2".to_owned()),
            ..function(address, identity, class)
        });
    }
    functions
}

fn peers_of(plan: &ClaimPlan) -> Vec<String> {
    let peers = plan.peers.iter().flat_map(|(_, peers)| peers);
    peers.map(|function| function.address.to_string()).collect()
}

#[test]
fn peers_in_a_group_are_left_and_told_unless_a_rule_takes_them() {
    let plan = planned_by_file("[[claim]]\nselect = \"gpu\"\n", &with_peers(), &[]);
    assert_eq!(peers_of(&plan), ["0000:04:00.0"], "the bridge does not count");
    assert!(plan.claim.iter().all(|gpu| gpu.functions.len() == 2));

    let taking = "[[claim]]\nselect = \"gpu\"\ngroup-peers = true\n";
    let plan = planned_by_file(taking, &with_peers(), &[]);
    assert!(peers_of(&plan).is_empty());
    let functions: Vec<String> = addresses(&plan.claim[1]).map(|address| address.to_string()).collect();
    assert_eq!(functions, ["0000:02:00.0", "0000:02:00.1", "0000:04:00.0"]);
}

fn with_a_disk() -> Vec<Function> {
    let mut functions = with_peers();
    let disk = Function {
        iommu_group: Some("2".to_owned()),
        driver: Some("nvme".to_owned()),
        ..function("0000:05:00.0", "1b36:0010", "010802")
    };
    functions.push(disk);
    functions
}

#[test]
fn storage_network_and_usb_are_taken_only_by_a_rule_that_names_them() {
    for class in ["010601", "010802", "020000", "028000", "0c0330"] {
        let mut functions = with_a_disk();
        functions.last_mut().unwrap().class = class.parse().unwrap();
        let rule = |peers: &str| format!("[[claim]]\nselect = \"gpu\"\ngroup-peers = {peers}\n");
        let plan = planned_by_file(&rule("true"), &functions, &[]);
        assert_eq!(claimed(&plan), ["0000:01:00"], "{class}");
        let refusal = refused(&plan);
        assert!(
            refusal.starts_with("0000:05:00.0") && refusal.contains("`group-peers = [\"0000:05:00.0\"]`"),
            "{refusal}"
        );
        for (named, is_claimed) in [
            ("[\"0000:05:00.0\"]", true),
            ("\"1b36:0010\"", true),
            ("[\"0000:06:00.0\"]", false),
        ] {
            let plan = planned_by_file(&rule(named), &functions, &[]);
            assert_eq!(plan.claim.len() == 2, is_claimed, "{class} {named}");
        }
    }
    let plan = planned_by_file(
        "[[claim]]\nselect = \"gpu\"\ngroup-peers = [\"bay=3\"]\n",
        &with_a_disk(),
        &[],
    );
    assert!(plan.claim.is_empty() && nothing(&plan).contains("bay="), "{plan:?}");
}

#[test]
fn a_peer_that_carries_the_system_is_refused_by_its_name_too() {
    let root = SystemUse {
        function: "0000:05:00.0".parse().unwrap(),
        device: "nvme0n1p2".to_owned(),
        kind: SystemUseKind::Mounted("/".to_owned()),
    };
    for peers in ["true", "[\"0000:05:00.0\"]"] {
        let rule = format!("[[claim]]\nselect = \"gpu\"\ngroup-peers = {peers}\n");
        let mut plan = planned_by_file(&rule, &with_a_disk(), &[]);
        plan.spare_the_system(vec![root.clone()]);
        assert_eq!(claimed(&plan), ["0000:01:00"], "{peers}");
        let refusal = refused(&plan);
        assert!(
            refusal.contains("0000:05:00.0 has nvme0n1p2, which is mounted on /"),
            "{refusal}"
        );
    }
    // A peer that is left alone may carry the system.
    let mut plan = planned_by_file("[[claim]]\nselect = \"gpu\"\n", &with_a_disk(), &[]);
    plan.spare_the_system(vec![root]);
    assert_eq!(plan.claim.len(), 2);
}

#[test]
fn of_a_processors_graphics_the_functions_that_the_rule_names_are_claimed_and_the_others_stay() {
    let rule = |more: &str| format!("[[claim]]\nselect = \"1002:164e\"\n{more}");
    let plan = planned_by_file(&rule(""), &processor_graphics(), &[]);
    assert!(refused(&plan).contains("0000:11:00.2"), "{plan:?}");
    let plan = planned_by_file(&rule("functions = [0, 1]\n"), &processor_graphics(), &[]);
    let functions: Vec<String> = addresses(&plan.claim[0]).map(|address| address.to_string()).collect();
    assert_eq!(functions, ["0000:11:00.0", "0000:11:00.1"]);
    assert!(plan.peers.is_empty(), "they have groups of their own");
    // The GPU has to be one of them.
    let plan = planned_by_file(&rule("functions = [1]\n"), &processor_graphics(), &[]);
    assert!(
        plan.claim.is_empty() && nothing(&plan).contains("belongs to no GPU"),
        "{plan:?}"
    );
}

#[test]
fn what_stands_beside_the_named_functions_is_a_peer_where_it_shares_their_group() {
    let mut functions = processor_graphics();
    for function in &mut functions {
        function.iommu_group = Some("5".to_owned());
    }
    functions[3].driver = Some("xhci_hcd".to_owned());
    let rule = |peers: &str| format!("[[claim]]\nselect = \"gpu\"\nfunctions = [0, 1]\n{peers}");
    let plan = planned_by_file(&rule(""), &functions, &[]);
    assert_eq!(peers_of(&plan), ["0000:11:00.2", "0000:11:00.3", "0000:11:00.6"]);
    let plan = planned_by_file(&rule("group-peers = true\n"), &functions, &[]);
    assert!(refused(&plan).starts_with("0000:11:00.3"), "{plan:?}");
    let mut plan = planned_by_file(&rule("group-peers = [\"0000:11:00.3\"]\n"), &functions, &[]);
    assert_eq!(plan.claim[0].functions.len(), 5);
    plan.spare_peers_at_work(|driver| driver == "vfio-pci");
    assert!(plan.claim.is_empty(), "the keyboard is at work");
}

#[test]
fn what_is_out_of_service_of_a_processors_graphics_is_what_the_rule_names() {
    let functions = processor_graphics();
    let rule = "[[claim]]\nselect = \"gpu\"\nfunctions = [0, 1]\n";
    let mut plan = planned_by_file(rule, &functions, &[]);
    plan.set_aside(&functions, |_, _| Some(OutOfService::Noted("sick".to_owned())));
    assert_eq!(plan.out_of_service[0].0.functions.len(), 2);
}

#[test]
fn an_nvswitch_is_claimed_by_address_or_id_and_by_nothing_else() {
    let functions = [
        function("0000:18:00.0", "10de:2330", "030200"),
        Function {
            iommu_group: Some("80".to_owned()),
            ..function("0000:1d:00.0", "10de:22a3", "068000")
        },
    ];
    for selector in ["0000:1d:00.0", "10de:22a3", "1d:00"] {
        assert_eq!(
            claimed(&planned_on(&functions, &[], selector)),
            ["0000:1d:00"],
            "{selector}"
        );
    }
    assert_eq!(claimed(&planned_on(&functions, &[], "gpu")), ["0000:18:00"]);
}

#[test]
fn a_twin_in_the_group_is_a_peer_unless_it_is_claimed_or_left_out() {
    let one = "[[claim]]\nselect = \"slot=3\"\n";
    assert_eq!(peers_of(&planned_by_file(one, &twins(), &[])).len(), 2);
    let both = "[[claim]]\nselect = \"gpu\"\ngroup-peers = true\n";
    let plan = planned_by_file(both, &twins(), &[]);
    assert!(peers_of(&plan).is_empty());
    assert!(plan.claim.iter().all(|gpu| gpu.functions.len() == 2), "{plan:?}");
    let with = "[[claim]]\nselect = \"slot=3\"\ngroup-peers = true\n";
    assert_eq!(planned_by_file(with, &twins(), &[]).claim[0].functions.len(), 4);
    let without = format!("{with}not = \"slot=4-1\"\n");
    let plan = planned_by_file(&without, &twins(), &[]);
    assert_eq!((plan.claim[0].functions.len(), peers_of(&plan).len()), (2, 2));
}

#[test]
fn a_peer_that_is_out_of_service_is_no_longer_taken_with_another() {
    let taking = "[[claim]]\nselect = \"slot=3\"\ngroup-peers = true\n";
    let mut plan = planned_by_file(taking, &twins(), &[]);
    plan.set_aside(&twins(), |gpu, _| {
        (gpu.device.to_string() == "0000:02:00").then(|| OutOfService::Noted("sick".to_owned()))
    });
    assert_eq!(plan.claim[0].functions.len(), 2);
}

/// The firmware's framebuffer is in the memory of the first twin.
fn sign() -> Sign {
    Sign {
        function: "0000:01:00.0".parse().unwrap(),
        kind: SignKind::TextConsole,
    }
}

#[test]
fn the_only_display_is_refused_and_others_are_claimed() {
    for (text, expected) in [
        ("[[claim]]\nselect = \"gpu\"\n", vec!["0000:02:00"]),
        (
            "[[claim]]\nselect = \"gpu\"\nforce-display = true\n",
            vec!["0000:01:00", "0000:02:00"],
        ),
        // The other one stays, and can show a picture.
        ("[[claim]]\nselect = \"slot=3\"\n", vec!["0000:01:00"]),
    ] {
        let plan = planned_by_file(text, &twins(), &[sign()]);
        assert_eq!(claimed(&plan), expected, "{text}");
        let refused = plan.refused.first().map(|_| refused(&plan));
        assert_eq!(refused.is_some(), expected == ["0000:02:00"]);
        let says = "it is the only display of this machine (the kernel's text console is on 0000:01:00.0)";
        assert!(refused.is_none_or(|why| why.starts_with(says)));
        assert_eq!(plan.signs.is_empty(), expected == ["0000:02:00"], "{text}");
    }
}

#[test]
fn a_3d_controller_that_stays_is_no_display() {
    let mut functions = twins();
    for function in functions
        .iter_mut()
        .filter(|it| it.address.to_string() == "0000:02:00.0")
    {
        function.class = "030200".parse().unwrap();
    }
    let plan = planned_by_file("[[claim]]\nselect = \"slot=3\"\n", &functions, &[sign()]);
    assert!(plan.claim.is_empty());
}

#[test]
fn a_function_with_virtual_ones_is_refused() {
    let mut functions = twins();
    functions.push(Function {
        physical: Some("0000:01:00.0".parse().unwrap()),
        ..function("0000:01:00.4", "10de:2231", "030200")
    });
    let plan = planned_on(&functions, &[], "gpu");
    assert_eq!(claimed(&plan), ["0000:02:00"]);
    let why = refused(&plan);
    assert!(why.starts_with("0000:01:00.0 has 1 virtual function, which"), "{why}");
}

/// A network card in the group of the second twin, with a virtual function in its own group or in that one.
fn with_a_virtual_peer(group: &str) -> Vec<Function> {
    let mut functions = with_peers();
    functions.push(Function {
        physical: Some("0000:04:00.0".parse().unwrap()),
        iommu_group: Some(group.to_owned()),
        ..function("0000:04:10.0", "8086:10ed", "020000")
    });
    functions
}

#[test]
fn virtual_functions_are_not_taken_with_a_group_nor_lost_by_it() {
    let taking = "[[claim]]\nselect = \"gpu\"\ngroup-peers = true\n";
    for (group, why) in [
        ("40", "0000:04:00.0 has 1 virtual function, which would be gone"),
        ("2", "0000:04:00.0 has 1 virtual function, which would be gone"),
    ] {
        let plan = planned_by_file(taking, &with_a_virtual_peer(group), &[]);
        assert_eq!(claimed(&plan), ["0000:01:00"], "group {group}");
        let refused = refused(&plan);
        assert!(refused.starts_with(why), "{refused}");
    }
    // Its physical function is elsewhere, and stays there.
    let mut functions = with_a_virtual_peer("2");
    functions.retain(|it| it.address.to_string() != "0000:04:00.0");
    let plan = planned_by_file(taking, &functions, &[]);
    assert_eq!(claimed(&plan), ["0000:01:00"]);
    let refused = refused(&plan);
    assert!(refused.starts_with("0000:04:10.0, a virtual function"), "{refused}");
    // If they are left alone, they do not matter.
    let leaving = "[[claim]]\nselect = \"gpu\"\n";
    let plan = planned_by_file(leaving, &with_a_virtual_peer("2"), &[]);
    assert_eq!(claimed(&plan), ["0000:01:00", "0000:02:00"]);
    assert_eq!(peers_of(&plan), ["0000:04:00.0", "0000:04:10.0"]);
}

#[test]
fn one_that_is_out_of_service_shows_no_picture_in_the_place_of_another() {
    let aside = |text: &str| {
        let mut plan = planned_by_file(text, &twins(), &[sign()]);
        plan.set_aside(&twins(), |gpu, _| {
            (gpu.device.to_string() == "0000:02:00").then(|| OutOfService::Noted("sick".to_owned()))
        });
        plan
    };
    let plan = aside("[[claim]]\nselect = \"slot=3\"\n");
    assert!(plan.claim.is_empty() && plan.signs.is_empty(), "{plan:?}");
    let why = refused(&plan);
    assert!(why.starts_with("it is the only display of this machine"), "{why}");
    let plan = aside("[[claim]]\nselect = \"slot=3\"\nforce-display = true\n");
    assert_eq!((claimed(&plan).len(), plan.signs.len()), (1, 1));
}

#[test]
fn one_of_which_it_is_not_known_whether_it_is_to_be_left_out_is_not_claimed() {
    let functions = twins();
    let detail = |function: &Function| {
        let subsystem = match function.address.bus() {
            1 => None,
            _ => "10de:1482".parse().ok(),
        };
        let detail = Detail {
            subsystem,
            ..Detail::default()
        };
        (function.address, detail)
    };
    let details: Details = functions.iter().map(detail).collect();
    let planned = |not: &str| {
        let command_line = format!("reseat.claim=gpu reseat.not={not}");
        planned_by(&command_line, &functions, &[], &details)
    };
    assert_eq!(claimed(&planned("subsystem=1458:4077")), ["0000:02:00"]);
    assert_eq!(claimed(&planned("10de:2231@subsystem=1458:4077")), ["0000:02:00"]);
    // It cannot be this one, whatever its subsystem.
    assert_eq!(claimed(&planned("10de:1eb8@subsystem=1458:4077")).len(), 2);
}

#[test]
fn a_peer_beside_which_something_cannot_be_read_is_not_taken() {
    let functions = with_peers();
    let unreadable = [("0000:04:00.1".parse().unwrap(), unread())];
    let mut rules = CommandLine::parse("reseat.claim=gpu").join(Vec::new());
    rules[0].group_peers = GroupPeers::Claim;
    let machine = PlanInputs {
        functions: &functions,
        unreadable: &unreadable,
        details: &Details::default(),
        signs: &[],
        iommu: &iommu::IommuFacts::default(),
    };
    let plan = plan(rules, machine);
    assert_eq!(claimed(&plan), ["0000:01:00"]);
    assert_eq!(refused(&plan), "its class is missing");
}
