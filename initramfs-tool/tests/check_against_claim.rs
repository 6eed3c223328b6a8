//! What `reseat rules check` says on a machine is what `reseat-claim` does there, and nothing else is touched: on machines
//! and by rules that nobody has thought of.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod files;
#[allow(dead_code, reason = "not every fixture is for here")]
#[path = "../src/linux/fixtures.rs"]
mod fixtures;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::symlink;
use std::process::Command;

use files::Files;
use serde_json::Value;
const MACHINES: u64 = 100;

/// The same numbers every time (xorshift64, Marsaglia 2003): what fails can be looked at again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A machine made of files, whose functions are on vfio-pci already, so that a claim of files comes to its end.
struct Machine {
    files: Files,
    /// What stands in each function's `class`, and whether it is a virtual one.
    functions: BTreeMap<String, (String, bool)>,
}

impl Deref for Machine {
    type Target = Files;

    fn deref(&self) -> &Files {
        &self.files
    }
}

impl Machine {
    fn new(numbers: &mut Numbers) -> Self {
        let mut machine = Self {
            files: Files::new(),
            functions: BTreeMap::new(),
        };
        for (file, content) in [
            ("proc/cmdline", "quiet"),
            ("proc/sys/kernel/osrelease", "6.12.0"),
            ("dev/kmsg", ""),
            ("sys/module/vfio_pci/parameters/disable_idle_d3", "Y\n"),
            ("sys/bus/pci/drivers/vfio-pci/bind", ""),
            ("sys/bus/pci/devices/README", ""),
        ] {
            machine.write(file, content);
        }
        fs::remove_file(machine.path("sys/bus/pci/devices/README")).unwrap();
        for bus in 1..2 + numbers.below(4) {
            let device = format!("{}:{bus:02x}:00", numbers.one_of(&["0000", "0001", "10000"]));
            let others: &[&str] = match numbers.below(8) {
                0 => &["010802"],
                _ => &["040300", "0c0330", "0c8000"],
            };
            for (index, number) in numbers
                .one_of(&[&[0][..], &[0, 1], &[0, 1, 2, 3], &[0, 2, 7], &[1]])
                .iter()
                .enumerate()
            {
                let class = match index {
                    0 => numbers.one_of(&["030000", "030200", "038000", "120000"]),
                    _ => numbers.one_of(others),
                };
                machine.function(numbers, &format!("{device}.{number}"), class, None);
            }
            let slot = numbers.one_of(&["3", "J6B2-1", "slot 9"]);
            machine.write(&format!("sys/bus/pci/slots/{slot}/address"), format!("{device}\n"));
        }
        // A network card, whose virtual functions somebody may have.
        machine.function(numbers, "0000:09:00.0", "020000", None);
        if numbers.below(3) == 0 {
            machine.function(numbers, "0000:09:10.0", "020000", Some("0000:09:00.0"));
        }
        machine
    }

    fn function(&mut self, numbers: &mut Numbers, address: &str, class: &str, physical: Option<&str>) {
        let directory = format!("sys/bus/pci/devices/{address}");
        let vendor = numbers.one_of(&["10de", "10de", "1002", "8086"]);
        let mut config = fixtures::config_space(fixtures::IN_D0);
        config[..2].copy_from_slice(&u16::from_str_radix(vendor, 16).unwrap().to_le_bytes());
        self.write(&format!("{directory}/config"), config);
        let written = match numbers.below(24) {
            0 => "garbage".to_owned(),
            _ => format!("0x{class}\n"),
        };
        for (file, content) in [
            ("vendor", format!("0x{vendor}\n").as_str()),
            ("device", "0x2489\n"),
            ("class", &written),
            ("subsystem_vendor", "0x1458\n"),
            ("subsystem_device", numbers.one_of(&["0x4077\n", "0x4078\n"])),
            ("driver_override", "(null)"),
            ("d3cold_allowed", "1"),
            ("power/control", "on"),
            ("power/runtime_status", "active"),
            ("power_state", "D0"),
        ] {
            self.write(&format!("{directory}/{file}"), content);
        }
        let link = |to: &str, name: &str| symlink(to, self.path(&format!("{directory}/{name}"))).unwrap();
        link("../../drivers/vfio-pci", "driver");
        let group = numbers.one_of(&["1", "2", "3", "4", "5", "none"]);
        if group != "none" {
            link(&format!("../../../../kernel/iommu_groups/{group}"), "iommu_group");
        }
        if let Some(physical) = physical {
            link(&format!("../{physical}"), "physfn");
        }
        self.functions.insert(address.to_owned(), (written, physical.is_some()));
    }

    /// The functions that were touched.
    fn touched(&self) -> Vec<String> {
        let is_touched = |address: &&String| {
            let file = self.path(&format!("sys/bus/pci/devices/{address}/driver_override"));
            fs::read_to_string(file).unwrap() != "(null)"
        };
        self.functions.keys().filter(is_touched).cloned().collect()
    }

    /// The exit status and the report of `reseat rules check`.
    fn check(&self) -> (Option<i32>, Value) {
        let mut check = Command::new(env!("CARGO_BIN_EXE_reseat"));
        let check = check.args(["rules", "check", "--json", "--root"]).arg(self.root());
        let output = check.output().unwrap();
        let mut report = serde_json::from_slice(&output.stdout).unwrap();
        remove_messages(&mut report);
        (output.status.code(), report)
    }

    /// The exit status and the report of `reseat-claim`.
    fn claim(&self) -> (Option<i32>, Value) {
        let mut claim = Command::new(env!("CARGO_BIN_EXE_reseat-claim"));
        let status = claim.arg("--root").arg(self.root()).output().unwrap().status;
        let report = fs::read(self.path("run/reseat/claim.json")).unwrap();
        (status.code(), serde_json::from_slice(&report).unwrap())
    }
}

/// Rules about the places and kinds that such machines have, and some that they have not.
fn rules(numbers: &mut Numbers) -> String {
    const SELECTORS: [&str; 14] = [
        "gpu",
        "gpu",
        "10de:2489",
        "1002:2489",
        "8086:1572",
        "0000:01:00.0",
        "0001:02:00.0",
        "10000:1:0.0",
        "0000:09:00.0",
        "slot=3",
        "slot=J6B2-1@10de:2489",
        "subsystem=1458:4077",
        "gpu@subsystem=1458:4078",
        "0000:01:00",
    ];
    let mut text = String::new();
    for _ in 0..1 + numbers.below(3) {
        text += &format!("[[claim]]\nselect = \"{}\"\n", numbers.one_of(&SELECTORS));
        if numbers.below(3) == 0 {
            text += &format!("not = [\n  \"{}\",\n]\n", numbers.one_of(&SELECTORS));
        }
        text += numbers.one_of(&["", "", "group-peers = true\n", "force-display = true\n"]);
    }
    text
}

/// Takes the words off the findings, which the report in /run has not.
fn remove_messages(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("severity") {
                assert!(
                    fields.remove("message").is_some_and(|it| it.is_string()),
                    "no message: {fields:?}"
                );
                assert!(
                    fields.remove("help").is_some_and(|it| it.is_array()),
                    "no help: {fields:?}"
                );
            }
            fields.values_mut().for_each(remove_messages);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_messages),
        _ => {}
    }
}

/// Each GPU with its functions, and why it is not claimed.
fn gpus(report: &Value, verdict: &str) -> BTreeMap<String, (Vec<String>, bool, Value)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let gpus = report["gpus"].as_array().unwrap().iter();
    let gpu = |gpu: &Value| {
        let functions = gpu["functions"].as_array().unwrap().iter();
        let functions = functions.map(|function| text(&function["address"])).collect();
        (functions, gpu["verdict"] == verdict, gpu["problem"].clone())
    };
    gpus.map(|it| (text(&it["device"]), gpu(it))).collect()
}

#[test]
fn the_check_says_what_the_claim_does() {
    let (mut claimed_somewhere, mut refused_somewhere) = (0, 0);
    for seed in 1..=MACHINES {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let machine = Machine::new(&mut numbers);
        let rules = rules(&mut numbers);
        machine.write("etc/reseat/reseat.toml", &rules);
        let (checked_status, checked) = machine.check();
        assert_eq!(machine.touched(), Vec::<String>::new(), "machine {seed} by the check");
        let (status, report) = machine.claim();
        let about = format!("machine {seed}, rules:\n{rules}{checked:#}\n{report:#}");
        for part in ["rules", "problems", "complete"] {
            assert_eq!(checked[part], report[part], "{part}, {about}");
        }
        assert_eq!(checked_status == Some(0), status == Some(0), "{about}");
        let would = gpus(&checked, "would-claim");
        assert_eq!(would, gpus(&report, "claimed"), "{about}");
        let mut claimed: Vec<String> = Vec::new();
        for (functions, is_claimed, _) in would.values() {
            match is_claimed {
                true => claimed.extend(functions.iter().cloned()),
                false => refused_somewhere += 1,
            }
        }
        claimed.sort();
        claimed_somewhere += claimed.len();
        assert_eq!(machine.touched(), claimed, "{about}");
        for function in &claimed {
            let (class, is_virtual) = &machine.functions[function];
            assert!(!is_virtual && class.starts_with("0x"), "{function}, {about}");
            let is_peer = !rules.contains("group-peers") && ["0x01", "0x02"].iter().any(|it| class.starts_with(it));
            assert!(!is_peer, "{function}, {about}");
            let group = machine.path(&format!("sys/bus/pci/devices/{function}/iommu_group"));
            assert!(group.is_symlink(), "{function}, {about}");
        }
    }
    // Machines on which nothing ever happens would prove nothing.
    assert!(
        claimed_somewhere > 20 && refused_somewhere > 10,
        "{claimed_somewhere} functions claimed, {refused_somewhere} GPUs refused"
    );
}
