use reseat_core::config::{Offset, ReadableSize};
use reseat_core::snapshot::{Full, Register};

use super::*;
use crate::decode;

const BUNDLE: &str = include_str!("bundle-1.json");

/// A GPU that was off the bus, recovered in a virtual machine; shortened.
pub(crate) fn fixture() -> Bundle {
    serde_json::from_str(BUNDLE).unwrap()
}

#[test]
fn the_form_of_a_bundle_is_frozen() {
    let found: Value = serde_json::from_str(BUNDLE).unwrap();
    assert_eq!(serde_json::to_value(fixture()).unwrap(), found);
    // An earlier version wrote the names of variants, which are still read.
    let former = BUNDLE.replace("\"after\": \"detach-sbr\"", "\"after\": \"DetachSbr\"");
    assert_ne!(former, BUNDLE);
    let former: Bundle = serde_json::from_str(&former).unwrap();
    assert_eq!(former.moments, fixture().moments);
}

#[test]
fn a_space_as_rows_is_the_same_snapshot_again() {
    let address = "0000:01:00.0".parse().unwrap();
    let mut snapshot = Full::new(address, ReadableSize::Extended);
    let registers = [
        (0x000, Register::Value(0x2489_10de)),
        (0x004, Register::Value(0x0010_0407)),
        (0x00c, Register::AllOnes),
        (0x010, Register::Failed),
        (0x014, Register::Value(0)),
        (0x100, Register::Value(0x2581_0002)),
        (0xffc, Register::Value(1)),
    ];
    for (at, register) in registers {
        snapshot.add(Offset::new(at).unwrap(), register).unwrap();
    }
    let space = Space::of("ready", &snapshot);
    assert_eq!(
        space.hex,
        "00: de 10 89 24 07 04 10 00\n0c: ff ff ff ff\n14: 00 00 00 00\n100: 02 00 81 25\nffc: 01 00 00 00\n"
    );
    assert_eq!(space.left_out, "008 to 00b, 018 to 0ff, 104 to ffb");
    assert_eq!(space.failed, [Offset::new(0x10).unwrap()]);
    assert_eq!(space.snapshot(address), Some(snapshot));
}

#[test]
fn a_function_as_rows_is_what_decode_reads() {
    let bundle = fixture();
    let function = &bundle.moments[1].functions[1];
    let text = hex_of(function.address, "after", function.space.as_ref().unwrap());
    let decoded = decode::decode(&text);
    assert_eq!(decoded.problems, Vec::new());
    assert!(
        decoded.functions[0].to_string().contains("PCI Express"),
        "{}",
        decoded.functions[0]
    );
}

#[test]
fn parts_make_up_a_moment() {
    let bundle = fixture();
    let whole = &bundle.moments[1];
    let mut moment = Evidence::new(whole.when, whole.after_ms);
    let mut remembered = whole.functions.clone();
    for function in &mut remembered {
        function.space = None;
        function.attributes.retain(|name, _| name != "driver_override");
    }
    moment.add(Collected {
        functions: remembered,
        ..Collected::default()
    });
    for function in &whole.functions {
        let mut locked = function.clone();
        locked.attributes.retain(|name, _| name == "driver_override");
        moment.add(Collected {
            functions: vec![locked],
            users: whole.users.clone(),
            not_read: Vec::new(),
        });
    }
    assert_eq!(moment.functions, whole.functions);
    assert_eq!(moment.users, whole.users);
}

#[test]
fn what_differs_is_said_register_by_register_and_line_by_line() {
    let bundle = fixture();
    let [before, after] = &bundle.moments[..] else {
        panic!("{bundle:?}")
    };
    assert_eq!(differences(before, before), ["no difference"]);
    assert_eq!(
        differences(before, after),
        [
            "0000:00:03.0: aer_dev_fatal was SDES 0, is SDES 1; was TOTAL_ERR_FATAL 0, is TOTAL_ERR_FATAL 1",
            "0000:00:03.0: current_link_speed was 16.0 GT/s PCIe, is 2.5 GT/s PCIe",
            "0000:00:03.0: current_link_width was 32, is 16",
            "0000:00:03.0:\nPCI Express + 0x10 at 0x064: was 0x22040000, is 0x21010000\n\
             PCI Express + 0x30 at 0x084: was 0x04000004, is 0x00000004",
            "0000:01:00.0: was absent: all-ones, is ready: 10de:2489",
            "0000:01:00.0: current_link_speed was not there, is 2.5 GT/s PCIe",
            "0000:01:00.0: current_link_width was not there, is 16",
        ]
    );
}

#[test]
fn a_summary_says_what_happened_what_was_found_and_what_differs() {
    let text = summary(&fixture());
    for words in [
        "0000:01:00, begun 2026-09-21T14:13:20Z, took 0.56 s: recovered by detach-SBR, verified",
        "  +0.07 s  exclusive and absent: detach-SBR\n",
        "secondary bus reset on the empty bus: done",
        "detach-SBR: verified\n",
        "\nbefore the first rung, at +0.07 s, read in ",
        "  0000:01:00.0, GPU: absent: all-ones, driver vfio-pci, power D0\n",
        "  users: free\n",
        "\nafter detach-SBR, at +",
        "  0000:00:03.0:\n    PCI Express + 0x10 at 0x064",
        "  kernel log: [",
    ] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    assert!(!text.contains("(at most 9.9 s)"), "what began is told twice: {text}");
}

#[test]
fn a_bundle_keeps_within_its_bound_and_names_what_it_lost() {
    let mut bundle = fixture();
    let whole = encode(bundle.clone(), LARGEST).unwrap();
    assert_eq!(serde_json::from_slice::<Bundle>(&whole).unwrap(), bundle);
    let between = bundle.moments[1].clone();
    bundle.moments.insert(1, between);
    let cut = |largest| -> Bundle { serde_json::from_slice(&encode(bundle.clone(), largest).unwrap()).unwrap() };
    let first = cut(whole.len() + 200);
    assert_eq!(first.left_out, ["what was read after detach-SBR"]);
    assert_eq!(first.moments.len(), 2);
    for largest in [whole.len() - 50, whole.len() / 2, whole.len() / 4] {
        let text = encode(bundle.clone(), largest).unwrap();
        assert!(text.len() <= largest, "{largest}: {}", text.len());
        let cut: Bundle = serde_json::from_slice(&text).unwrap();
        assert_eq!((&cut.end, &cut.subject), (&bundle.end, &bundle.subject));
    }
    assert!(cut(0).moments.is_empty() && cut(0).told.is_empty());
}
