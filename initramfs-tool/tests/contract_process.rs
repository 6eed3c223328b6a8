//! What holds for every command: names of GPUs, exit statuses and errors as JSON, on a directory that stands for `/`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod two_gpus;

use std::process::Command;

use serde_json::Value;
use two_gpus::Machine;

/// The exit status, standard output and standard error.
type End = (Option<i32>, String, String);

fn reseat(machine: &Machine, arguments: &[&str]) -> End {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reseat"));
    let output = command
        .args(arguments)
        .arg("--root")
        .arg(machine.root())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn machine() -> Machine {
    Machine::new("[[claim]]\nselect = \"gpu\"\n")
}

#[test]
fn a_name_of_two_gpus_is_refused_with_both() {
    let machine = machine();
    let both =
        "10de:2489 names 2 GPUs: 0000:01:00 (10de:2489, driver vfio-pci), 0000:02:00 (10de:2489, driver vfio-pci)";
    for name in ["10de:2489", "0x10de:0x2489"] {
        for arguments in [
            &["recover", name][..],
            &["return-to-service", name],
            &["quarantine", "add", name, "--reason", "test"],
            &["quarantine", "forget", name, "--reason", "test"],
            &["baseline", "save", name],
            &["claim", "--function", name],
        ] {
            let (status, said, error) = reseat(&machine, arguments);
            assert_eq!((status, said.as_str()), (Some(4), ""), "{arguments:?}: {error}");
            assert!(error.contains(both), "{arguments:?}: {error}");
            assert!(
                error.contains("name one of them by its address"),
                "{arguments:?}: {error}"
            );
        }
    }
}

#[test]
fn an_address_without_a_gpu_is_told_with_the_gpus_that_there_are() {
    let there = "no GPU is at 0000:99:00; this machine has 0000:01:00 (10de:2489, driver vfio-pci), 0000:02:00";
    let machine = machine();
    for arguments in [
        &["recover", "99:00"][..],
        &["return-to-service", "pci_0000_99_00_0"],
        &["quarantine", "add", "0000:99:00.0", "--reason", "test"],
        &["baseline", "save", "0000:99:00"],
        &["claim", "--function", "99:00.0"],
    ] {
        let (status, _, error) = reseat(&machine, arguments);
        assert_eq!(status, Some(1), "{arguments:?}: {error}");
        assert!(error.contains(there), "{arguments:?}: {error}");
        let again = error.matches("no GPU is at").count() + error.matches("no function is at").count();
        assert_eq!(again, 1, "{arguments:?}: {error}");
    }
    let there = "no GPU is 10de:9999; this machine has 0000:01:00 (10de:2489, driver vfio-pci), 0000:02:00";
    for arguments in [&["recover", "10de:9999"][..], &["baseline", "save", "0x10de:0x9999"]] {
        let (status, _, error) = reseat(&machine, arguments);
        assert_eq!(status, Some(1), "{arguments:?}: {error}");
        assert!(error.contains(there), "{arguments:?}: {error}");
    }
}

#[test]
fn every_form_of_a_name_means_the_same_gpu_to_a_command_and_to_a_rule() {
    for name in ["0000:01:00", "01:00", "0000:01:00.0", "01:00.0", "pci_0000_01_00_0"] {
        let machine = Machine::new(&format!("[[claim]]\nselect = \"{name}\"\n"));
        let (status, said) = machine.check(&[]);
        assert_eq!(status, Some(0), "{name}: {said}");
        assert!(said.contains("0000:01:00: would claim 1 function"), "{name}: {said}");
        assert!(!said.contains("0000:02:00: would claim"), "{name}: {said}");
        let forget = ["quarantine", "forget", name, "--reason", "test"];
        let (status, _, error) = reseat(&machine, &forget);
        assert_eq!(status, Some(1), "{name}: {error}");
        assert!(error.contains("0000:01:00"), "{name}: {error}");
    }
    // In a rule an ID means every such GPU.
    let (status, said) = Machine::new("[[claim]]\nselect = \"0x10de:0x2489\"\n").check(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(said.matches(": would claim 1 function").count(), 2, "{said}");
}

#[test]
fn misspelt_words_have_the_right_one_beside_them() {
    let machine = machine();
    for (arguments, nearest) in [
        (&["inventroy"][..], "'inventory'"),
        (&["recover", "01:00", "--highest", "detach-srb"], "'detach-sbr'"),
        (&["recover", "01:00", "--dry-rum"], "'--dry-run'"),
    ] {
        let (status, _, error) = reseat(&machine, arguments);
        assert_eq!(status, Some(2), "{error}");
        assert!(error.contains(nearest), "{error}");
    }
    let (status, said) = Machine::new("[[claim]]\nselect = \"gpuu\"\n").check(&[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("did you mean `gpu`?"), "{said}");
}

#[test]
fn with_json_an_error_is_the_only_document() {
    let machine = machine();
    machine.write("run/reseat/claim.json", "{}");
    for (arguments, status, id) in [
        (&["recover", "10de:2489", "--json"][..], 4, "gpu-name-ambiguous"),
        (&["recover", "--json", "--highest", "detach-srb", "01:00"], 2, "usage"),
        (&["inventory", "--jsn", "--json"], 2, "usage"),
        (&["decode", "--json", "--hex", "/nowhere"], 1, "file-unreadable"),
        (&["report", "--json"], 1, "report-malformed"),
        (&["evidence", "show", "latest", "--json"], 1, "no-evidence"),
        (&["evidence", "show", "1.json", "--json"], 1, "record-unreadable"),
    ] {
        let (ended, said, error) = reseat(&machine, arguments);
        assert_eq!(ended, Some(status), "{arguments:?}: {said}{error}");
        let document: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(document["schema"], "reseat.error/1", "{document:#}");
        let finding = &document["findings"][0];
        assert!(finding["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert!(finding["help"].is_array(), "{document:#}");
        assert_eq!(finding["id"], id, "{document:#}");
        assert!(!error.is_empty(), "{arguments:?}");
        // Without, nothing is on standard output.
        let without: Vec<&str> = arguments.iter().copied().filter(|it| *it != "--json").collect();
        let (ended, said, _) = reseat(&machine, &without);
        assert_eq!((ended, said.as_str()), (Some(status), ""), "{without:?}");
    }
}

#[test]
fn a_mistake_in_the_policy_of_recovery_has_its_own_id() {
    let machine = Machine::new("[recover]\nhighest = \"detach-srb\"\n");
    for arguments in [
        &["recover", "01:00", "--json"][..],
        &["return-to-service", "01:00", "--json"],
    ] {
        let (status, said, _) = reseat(&machine, arguments);
        let document: Value = serde_json::from_str(&said).unwrap();
        let finding = &document["findings"][0];
        assert_eq!(
            (status, &finding["id"]),
            (Some(1), &"recovery-policy-invalid".into()),
            "{said}"
        );
        assert_eq!(finding["evidence"]["line"], "2", "{said}");
        assert!(said.contains("did you mean `detach-sbr`?"), "{said}");
    }
}

#[test]
fn the_usage_error_of_json_has_the_suggestion() {
    let (_, said, _) = reseat(&machine(), &["recover", "--json", "--highest", "detach-srb", "01:00"]);
    let document: Value = serde_json::from_str(&said).unwrap();
    let message = document["findings"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("detach-sbr") && !message.contains("Usage:"),
        "{message}"
    );
}

#[test]
fn an_answer_that_lacks_a_part_is_3_and_a_refusal_4() {
    let machine = machine();
    machine.show_something_on(1);
    let (status, said) = machine.check(&[]);
    assert_eq!(status, Some(4), "{said}");
    machine.claim(&[]);
    for arguments in [&["report"][..], &["report", "--json"]] {
        assert_eq!(reseat(&machine, arguments).0, Some(3), "{arguments:?}");
    }
    let (status, said) = Machine::new("[[claim]]\nselect = \"slot=9\"\n").check(&[]);
    assert_eq!(status, Some(3), "{said}");

    machine.write("sys/bus/pci/devices/0000:02:00.0/class", "0x03");
    machine.write("var/lib/reseat/history.jsonl", "damaged\n");
    machine.write("var/lib/reseat/quarantine.json", "damaged");
    machine.write(
        "var/lib/reseat/evidence/20260921T141320.250Z-0000:01:00.json",
        "damaged",
    );
    for arguments in [
        &["inventory"][..],
        &["inventory", "--json"],
        &["inventory", "--selectors"],
        &["history"],
        &["history", "--json"],
        &["evidence", "list"],
        &["evidence", "list", "--json"],
        &["quarantine", "list"],
        &["quarantine", "list", "--json"],
    ] {
        let (status, _, error) = reseat(&machine, arguments);
        assert_eq!(status, Some(3), "{arguments:?}: {error}");
    }
}

#[test]
fn every_help_text_names_all_statuses() {
    let machine = machine();
    for arguments in [
        &["--help"][..],
        &["recover", "--help"],
        &["quarantine", "add", "--help"],
        &["initramfs", "install", "--help"],
    ] {
        let (status, said, error) = reseat(&machine, arguments);
        assert_eq!((status, error.as_str()), (Some(0), ""), "{arguments:?}");
        for word in [
            "Exit status: 0 done",
            "3 not proven",
            "4 refused",
            "7 not usable",
            "exit-status.md",
        ] {
            assert!(said.replace("\n", " ").contains(word), "{arguments:?}: {said}");
        }
    }
}
