//! The schemas that ship with the program, against what the program prints.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod two_gpus;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use jsonschema::Validator;
use reseat::linux::Root;
use reseat::records::history::HistoryEntry;
use reseat::recovery::{FormerMethods, KeptOut, RecoveryEvent, VfioReading};
use serde_json::{Value, json};
use two_gpus::Machine;

/// All schemas, by name.
fn schemas() -> BTreeMap<String, Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let schemas = files.map(|file| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let name = name.strip_suffix(".schema.json").unwrap().to_owned();
        (name, serde_json::from_slice(&fs::read(&file).unwrap()).unwrap())
    });
    schemas.collect()
}

fn validator(name: &str) -> Validator {
    let schemas = schemas();
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&schemas[name]).unwrap()
}

/// Checks a document.
#[track_caller]
fn assert_valid(schema: &str, document: &Value) -> Validator {
    let validator = validator(schema);
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}\n{document:#}");
    validator
}

/// Checks a document, and that no document beside it is valid: with a key less, a key more, or a value of another type.
#[track_caller]
fn assert_fits(schema: &str, document: &Value) {
    let validator = assert_valid(schema, document);
    for (place, mutant) in mutants(document) {
        assert!(
            !validator.is_valid(&mutant),
            "{schema}: still valid: {place}\n{mutant:#}"
        );
    }
}

/// Objects with any keys.
const MAPS: [&str; 4] = ["evidence", "attributes", "registers", "fields"];

/// Documents that differ from this one in one place.
fn mutants(document: &Value) -> Vec<(String, Value)> {
    let mut mutants = Vec::new();
    for pointer in pointers(document, "") {
        let replaced = |value: Value| {
            let mut mutant = document.clone();
            *mutant.pointer_mut(&pointer).unwrap() = value;
            mutant
        };
        let other_type = json!({"mutant": 1});
        mutants.push((format!("{pointer} is an object"), replaced(other_type)));
        let is_map = MAPS.iter().any(|map| pointer.ends_with(&format!("/{map}")));
        let Some(Value::Object(fields)) = document.pointer(&pointer).filter(|_| !is_map) else {
            continue;
        };
        let mut more = fields.clone();
        more.insert("mutant".to_owned(), json!(1));
        mutants.push((format!("{pointer} has another key"), replaced(more.into())));
        for key in fields.keys() {
            let mut less = fields.clone();
            less.remove(key);
            mutants.push((format!("{pointer} lacks {key}"), replaced(less.into())));
        }
    }
    mutants
}

/// The places in a document.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let mut all = vec![at.to_owned()];
    match value {
        Value::Array(items) => {
            let places = items.iter().enumerate();
            all.extend(places.flat_map(|(index, item)| pointers(item, &format!("{at}/{index}"))));
        }
        Value::Object(fields) => {
            let places = fields.iter();
            all.extend(places.flat_map(|(key, item)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(item, &format!("{at}/{key}"))
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    all
}

/// Standard output of a command on a machine.
fn printed(machine: &Machine, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reseat"));
    let output = command
        .args(arguments)
        .arg("--root")
        .arg(machine.root())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Its only document.
#[track_caller]
fn document(machine: &Machine, arguments: &[&str]) -> Value {
    let printed = printed(machine, arguments);
    let parsed = serde_json::from_str(&printed);
    assert!(parsed.is_ok(), "{arguments:?}: {printed}");
    parsed.unwrap()
}

#[test]
fn every_schema_is_one_and_closed() {
    for (name, schema) in schemas() {
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{name}"
        );
        for pointer in pointers(&schema, "") {
            let object = schema.pointer(&pointer).unwrap();
            if object.get("properties").is_some_and(Value::is_object) && object.get("type") == Some(&json!("object")) {
                assert_eq!(object["additionalProperties"], false, "{name}: {pointer}");
            }
        }
    }
}

#[test]
fn what_schemas_share_is_the_same_in_all() {
    let mut known = BTreeMap::new();
    for (name, schema) in schemas() {
        for (definition, content) in schema["$defs"].as_object().into_iter().flatten() {
            let (first, same) = known
                .entry(definition.clone())
                .or_insert_with(|| (name.clone(), content.clone()));
            assert_eq!(same, content, "`{definition}` of {first} and of {name}");
        }
    }
    let mut finding = schemas()["finding"].clone();
    let fields = finding.as_object_mut().unwrap();
    fields.remove("$schema");
    fields.remove("title");
    assert_eq!(finding, known["finding"].1);
}

#[test]
fn errors() {
    let machine = Machine::new("");
    for arguments in [
        &["recover", "10de:2489", "--json"][..],
        &["recover", "--json"],
        &["decode", "--json", "--hex", "/nowhere"],
        &["report", "--json"],
    ] {
        let document = document(&machine, arguments);
        assert_fits("error", &document);
        assert_fits("finding", &document["findings"][0]);
    }
}

#[test]
fn inventories() {
    let machine = Machine::new("");
    assert_fits("inventory", &document(&machine, &["inventory", "--json"]));
    machine.write("sys/bus/pci/devices/0000:02:00.0/class", "0x03");
    let document = document(&machine, &["inventory", "--json"]);
    assert_eq!(document["problems"].as_array().map(Vec::len), Some(1), "{document:#}");
    assert_fits("inventory", &document);
}

#[test]
fn claims() {
    let machine = Machine::new("[[claim]]\nselect = \"gpu\"\n\n[[claim]]\nselect = \"0000:09:00.0\"\n");
    assert_fits("claim", &document(&machine, &["rules", "check", "--json"]));
    machine.show_something_on(1);
    machine.claim(&[]);
    let report = document(&machine, &["report", "--json"]);
    assert_eq!(report["gpus"][0]["verdict"], "refused", "{report:#}");
    assert_fits("claim", &report);
    let frozen = include_str!("../src/report/claim-2.json").replace("@VERSION@", "0.1.0");
    machine.write("run/reseat/claim.json", frozen);
    assert_fits("claim", &document(&machine, &["report", "--json"]));
}

#[test]
fn decoded_spaces() {
    let machine = Machine::new("");
    for name in ["gpu-in-d0", "gpu-with-a-cycle"] {
        let file = format!("{}/src/linux/fixtures/{name}.hex", env!("CARGO_MANIFEST_DIR"));
        assert_fits("decode", &document(&machine, &["decode", "--json", "--hex", &file]));
    }
    machine.write("damaged", "01:00.0 VGA\n00: de 10 89 24 07 zz\n");
    let file = machine.path("damaged");
    let document = document(&machine, &["decode", "--json", "--hex", file.to_str().unwrap()]);
    assert!(
        document["problems"]
            .as_array()
            .is_some_and(|problems| !problems.is_empty())
    );
    assert_fits("decode", &document);
}

/// The lines of an event stream, of this kind at least one.
#[track_caller]
fn assert_stream(machine: &Machine, arguments: &[&str], kind: &str) {
    let printed = printed(machine, arguments);
    let events: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(events.iter().any(|event| event["event"] == kind), "{printed}");
    for event in events {
        assert_fits("recovery-event", &event);
    }
}

#[test]
fn streams_of_recoveries() {
    let machine = Machine::new("");
    assert_stream(&machine, &["recover", "01:00", "--json", "--dry-run"], "found");
    machine.offer_flr(2);
    assert_stream(&machine, &["recover", "02:00", "--json"], "recorded");
    let entry = ["quarantine", "add", "02:00", "--reason", "fan"];
    printed(&machine, &entry);
    let back = ["return-to-service", "02:00", "--resets", "1", "--json"];
    assert_stream(&machine, &back, "returned");
}

/// Events that no fixture comes to, each as the program's own type has it.
#[test]
fn every_kind_of_event() {
    let finding = json!({
        "id": "x", "severity": "note", "subject": {"kind": "gpu", "name": "0000:01:00"}, "evidence": {}, "remedy": null,
    });
    let verdict = json!({"kind": "unverified", "missing": ["errors"], "lasting": []});
    let record = |outcome| json!({"event": "recorded", "record": {"rung": "detach-sbr", "outcome": outcome, "reset_class": "none"}});
    let ended = |observation| json!({"event": "ended", "operation": "verify", "took_ms": 1, "observation": observation, "findings": []});
    let done = |end| json!({"event": "done", "end": end, "findings": [finding.clone()], "took_ms": 7});
    for event in [
        json!({"event": "found", "findings": [finding.clone()]}),
        json!({
            "event": "decided", "branch": "hotplug-not-ours", "rung": "kernel-flr",
            "skipped": [{"rung": "detach-sbr", "why": "quirk", "bus_reset": "forbidden-at-port"}],
        }),
        json!({
            "event": "planned", "rungs": [{"rung": "kernel-flr", "hits": ["0000:01:00.0"], "limit_ms": 80000}],
            "skipped": [], "then": {"kind": "refuse", "refusal": "fabric-unknown"},
        }),
        json!({"event": "began", "rung": "slot-power", "operation": "power-off", "limit_ms": 1}),
        json!({"event": "waiting", "rung": null, "for": "specified-time", "limit_ms": 100}),
        ended(json!({"kind": "done"})),
        ended(json!({"kind": "use", "usage": "free"})),
        ended(json!({"kind": "link", "link": "not-reported"})),
        ended(json!({"kind": "domain", "exclusivity": "exclusive"})),
        ended(json!({"kind": "functions", "readiness": {"kind": "ready", "identity": "10de:2489"}})),
        ended(json!({"kind": "functions", "readiness": {"kind": "half-initialised", "lacks": "class"}})),
        ended(json!({"kind": "health", "verdict": verdict.clone()})),
        ended(json!({"kind": "marked", "all": true})),
        ended(json!({"kind": "witnessed", "proof": "device"})),
        ended(json!({"kind": "failed", "failure": "other", "errno": 5})),
        record(json!({"kind": "judged", "verdict": verdict})),
        record(json!({"kind": "judged", "verdict": {"kind": "sick", "wrong": ["bars", "boot"]}})),
        record(json!({"kind": "timed-out"})),
        record(json!({"kind": "not-reset"})),
        record(json!({"kind": "unproven", "proof": "unproven"})),
        record(json!({"kind": "failed", "operation": "detach", "trouble": {"kind": "blocked"}})),
        done(json!({"kind": "recovered", "by": "detach-sbr", "proof": "configuration"})),
        done(json!({"kind": "unproven", "after": "bus-reset-in-place"})),
        done(json!({"kind": "unverified", "after": "kernel-flr", "missing": ["link"]})),
        done(json!({"kind": "refused", "refusal": "in-use"})),
        done(json!({"kind": "out-of-service", "why": {"kind": "stuck", "operation": "release"}, "trouble": null})),
    ] {
        let own: RecoveryEvent = serde_json::from_value(event.clone()).unwrap();
        let mut printed = serde_json::to_value(&own).unwrap();
        assert_eq!(printed, event);
        printed["schema"] = "reseat.recovery-event/2".into();
        let findings = printed.get_mut("findings").and_then(Value::as_array_mut);
        for finding in findings.into_iter().flatten() {
            finding["message"] = "it is so".into();
            finding["help"] = json!([]);
        }
        assert_fits("recovery-event", &printed);
    }
}

#[test]
fn records_of_recoveries() {
    let machine = Machine::new("");
    let entry = include_str!("../src/records/history/entry-1.json");
    let entry: HistoryEntry = serde_json::from_str(entry).unwrap();
    reseat::linux::append_history(&Root::at(machine.root()), &entry).unwrap();
    assert_fits("history", &document(&machine, &["history", "--json"]));
    let ledger = include_str!("../src/records/quarantine/quarantine-1.json");
    machine.write("var/lib/reseat/quarantine.json", ledger);
    assert_fits("quarantine", &document(&machine, &["quarantine", "list", "--json"]));
    machine.write("var/lib/reseat/quarantine.json", "damaged");
    assert_fits("quarantine", &document(&machine, &["quarantine", "list", "--json"]));
    let bundle = include_str!("../src/records/evidence/bundle-1.json");
    machine.write("var/lib/reseat/evidence/20260921T141320.250Z-0000:01:00.json", bundle);
    let mut bundle = document(&machine, &["evidence", "show", "latest", "--json"]);
    assert_valid("evidence", &bundle);
    // Events of version 1 may be anything.
    bundle["events"] = json!([]);
    assert_fits("evidence", &bundle);
    machine.write(
        "var/lib/reseat/evidence/20260921T141320.251Z-0000:01:00.json",
        "damaged",
    );
    assert_fits("evidence-list", &document(&machine, &["evidence", "list", "--json"]));
}

/// Files that outlive a command, in the forms that are frozen.
#[test]
fn state_files() {
    let reading = VfioReading {
        device: "0000:01:00".parse().unwrap(),
        function: "0000:01:00.0".parse().unwrap(),
        reset_method: "flr bus".to_owned(),
        unbound: None,
    };
    assert_fits("vfio-reading", &serde_json::to_value(&reading).unwrap());
    let kept = KeptOut {
        device: "0000:01:00".parse().unwrap(),
        functions: vec![FormerMethods {
            function: "0000:01:00.0".parse().unwrap(),
            reset_method: "flr bus".to_owned(),
        }],
    };
    assert_fits("flr-kept-out", &serde_json::to_value(&kept).unwrap());
    for (schema, frozen) in [
        ("recovery-journal", include_str!("../src/recovery/journal-2.json")),
        (
            "initramfs-record",
            include_str!("../src/initramfs/record/record-2.json"),
        ),
        ("baseline", include_str!("../src/recovery/baseline-2.json")),
    ] {
        assert_fits(schema, &serde_json::from_str(frozen).unwrap());
    }
}

#[test]
fn baselines() {
    let machine = Machine::new("");
    let document = document(&machine, &["baseline", "save", "01:00", "99:00", "--json"]);
    assert_fits("baselines", &document);
}

#[test]
fn initramfs_images() {
    let machine = Machine::new("");
    assert_fits(
        "initramfs-status",
        &document(&machine, &["initramfs", "status", "--json"]),
    );
    for (file, content) in [
        ("usr/sbin/mkinitramfs", ""),
        ("usr/sbin/reseat-claim", "program"),
        ("sys/class/block/none/size", "0"),
        ("lib/modules/6.12.0/modules.dep", ""),
        ("boot/initrd.img-6.12.0", "070701"),
    ] {
        machine.write(file, content);
    }
    assert_fits(
        "initramfs-status",
        &document(&machine, &["initramfs", "status", "--json"]),
    );
    let planned = document(&machine, &["initramfs", "install", "--dry-run", "--json"]);
    assert_fits("initramfs-install", &planned);
    let files = document(&machine, &["initramfs", "install", "--files-only", "--json"]);
    assert_fits("initramfs-install", &files);
    assert_fits(
        "initramfs-status",
        &document(&machine, &["initramfs", "status", "--json"]),
    );
    assert_fits(
        "initramfs-remove",
        &document(&machine, &["initramfs", "remove", "--json"]),
    );
}
