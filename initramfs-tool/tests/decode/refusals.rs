//! What is wrong with a file is named, with file, line and cause; what is right is decoded all the same.

use std::path::Path;

use serde_json::{Value, json};

use crate::command::{decode, decode_text};

/// A GPU's header: Power Management at 60, PCI Express at 78 that nothing gives the bytes of.
const GPU: &str = "\
00: de 10 89 24 07 04 10 00 a1 00 00 03 10 00 80 00
10: 00 00 00 84 0c 00 00 00 00 00 00 00 0c 00 00 00
20: 00 00 00 00 01 00 00 00 00 00 00 00 58 14 77 40
30: 00 00 00 00 62 00 00 00 00 00 00 00 ff 01 00 00
";

fn addresses(json: &Value) -> Vec<Option<&str>> {
    let functions = json["functions"].as_array().unwrap();
    functions.iter().map(|function| function["address"].as_str()).collect()
}

#[test]
fn bad_function_is_named_between_good_ones() {
    let bad = GPU.replace("20: 00 00", "20: 00 0x");
    let text = format!("01:00.0 VGA\n{GPU}\n02:00.0 VGA\n{bad}\n03:00.0 no bytes\n\tFlags: fast\n\n04:00.0 VGA\n{GPU}");
    let (status, json, complaints) = decode_text(text.as_bytes());
    assert_eq!(status, Some(3));
    let addresses = addresses(&json);
    let expected = ["0000:01:00.0", "0000:02:00.0", "0000:04:00.0"];
    assert_eq!(addresses, expected.map(Some));
    assert_eq!(
        complaints.lines().collect::<Vec<_>>(),
        [
            "reseat: -:1: 0000:01:00.0 has only its first 64 bytes, and its capabilities are behind them: without root, or \
             with -x alone, lspci prints no more; dump it as root: `sudo lspci -xxxx -s 0000:01:00.0`",
            "reseat: -:7: 0000:02:00.0 lacks bytes 0x021 to 0x02f: the dump is cut off or damaged, and a part is not \
             decoded; dump it as root: `sudo lspci -xxxx -s 0000:02:00.0`",
            "reseat: -:10: \"0x\" is not a byte of two hexadecimal digits",
            "reseat: -:13: 0000:03:00.0 has a title and no hexadecimal rows",
            "reseat: -:16: 0000:04:00.0 has only its first 64 bytes, and its capabilities are behind them: without root, or \
             with -x alone, lspci prints no more; dump it as root: `sudo lspci -xxxx -s 0000:04:00.0`",
        ]
    );
    let decoded: Vec<bool> = json["functions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["header"].is_object())
        .collect();
    assert_eq!(decoded, [true, false, true]);
    let problem = json!({
        "id": "dump-function-empty",
        "severity": "note",
        "subject": {"kind": "file", "name": "-"},
        "evidence": {"line": "13", "function": "0000:03:00.0"},
        "remedy": null,
        "message": "-:13: 0000:03:00.0 has a title and no hexadecimal rows",
        "help": [],
    });
    assert_eq!(json["problems"][3], problem);
}

#[test]
fn what_a_short_dump_leaves_out_is_named_once_and_in_its_place() {
    let (status, json, complaints) = decode_text(format!("01:00.0 VGA\r\n{GPU}60: 01 78 03 48\r\n").as_bytes());
    assert_eq!(status, Some(3));
    assert_eq!(
        complaints,
        "reseat: -:1: 0000:01:00.0 lacks bytes 0x040 to 0x05f, 0x064 to 0x0ff: the dump is cut off or damaged, and a part is \
         not decoded; dump it as root: `sudo lspci -xxxx -s 0000:01:00.0`\n"
    );
    let function = &json["functions"][0];
    assert_eq!(
        (&function["dumped_bytes"], &function["readable_bytes"]),
        (&json!(68), &json!(256))
    );
    assert_eq!(
        function["header"]["pointer"],
        json!({"listed": true, "at": 0x34, "target": 0x60, "reserved_bits": 2})
    );
    let power = &function["standard"]["capabilities"][0];
    assert_eq!((&power["offset"], &power["reserved_bits"]), (&json!(0x60), &json!(2)));
    assert_eq!(power["registers"]["capabilities"]["fields"]["version"], 3);
    assert_eq!(
        power["registers"]["control_status"],
        json!({
            "raw": null,
            "fields": null,
            "unreadable": {"kind": "not-in-dump", "offset": 0x64, "relative_offset": null, "length": null},
        })
    );
    assert_eq!(
        function["standard"]["end"],
        json!({
            "kind": "unreadable",
            "at": null,
            "pointer": null,
            "unreadable": {"kind": "not-in-dump", "offset": 0x78, "relative_offset": null, "length": null},
        })
    );
    assert_eq!(
        function["no_extended_space"],
        json!({"kind": "not-readable", "readable_bytes": 256, "unreadable": null})
    );
}

#[test]
fn unlisted_pointer_is_shown_and_not_followed() {
    let text = GPU.replace("07 04 10 00", "07 04 00 00");
    let (status, json, _) = decode_text(text.as_bytes());
    assert_eq!(status, Some(0), "no capability is missing");
    let function = &json["functions"][0];
    assert_eq!(function["header"]["pointer"]["listed"], false);
    assert_eq!(function["header"]["pointer"]["target"], 0x60);
    assert_eq!(function["standard"]["capabilities"], json!([]));
}

#[test]
fn absent_function_is_named() {
    let row = " ff".repeat(16);
    let text: String = (0..4).map(|n| format!("{n}0:{row}\n")).collect();
    let (status, json, complaints) = decode_text(text.as_bytes());
    assert_eq!(status, Some(3));
    assert_eq!(json["functions"][0]["header"], Value::Null);
    assert_eq!(json["functions"][0]["all_ones"], true);
    assert_eq!(
        complaints.lines().collect::<Vec<_>>(),
        [
            "reseat: -:1: function 1 of standard input does not answer, since all 64 bytes are ff: it is in D3cold, held in \
             reset, behind a link that is down, or gone",
            "  - read its power_state in sysfs (/sys/bus/pci/devices)",
            "  - if it is D3cold, write `on` to power/control there and dump it again",
            "  - if not, `sudo reseat recover --dry-run` shows the resets that are left",
        ]
    );
}

#[test]
fn text_without_rows_and_bytes_that_are_no_text_are_refused() {
    let no_rows = "reseat: -:1: no hexadecimal rows such as `00: de 10 89 24`; dump it as root: `sudo lspci -xxxx`\n";
    let binary =
        "reseat: -: 4 bytes of binary data are no configuration space; a `config` file of sysfs has 64, 256 or 4096\n";
    let only_a_title = "reseat: -:1: 0000:01:00.0 has a title and no hexadecimal rows; further titles without rows: 1; dump it \
                        as root: `sudo lspci -xxxx`\n";
    for (input, complaint) in [
        (&b""[..], no_rows),
        (b"nothing to see\n", no_rows),
        (b"\x7fEL\x00", binary),
        (b"01:00.0 VGA\n02:00.0 Audio\n", only_a_title),
    ] {
        let (status, json, complaints) = decode_text(input);
        assert_eq!(status, Some(1));
        assert_eq!(json["functions"], json!([]));
        assert_eq!(complaints, complaint);
    }
}

#[test]
fn missing_file_is_named() {
    let output = decode(Path::new("/nowhere/dump"), &[]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        complaint,
        "reseat: cannot read /nowhere/dump: No such file or directory (os error 2)\n"
    );
}
