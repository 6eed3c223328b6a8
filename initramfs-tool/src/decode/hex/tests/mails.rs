//! Text before, between and around rows.

use super::*;

const TITLE: &str = "01:00.0 3D controller: NVIDIA Corporation Device 2489 (rev a1)";

/// The GPU with something before each line.
fn prefixed(prefix: &str) -> String {
    let lines = std::iter::once(TITLE).chain(GPU.lines());
    lines.map(|line| format!("{prefix}{line}\n")).collect()
}

#[test]
fn quoted_indented_listed_and_logged() {
    for prefix in [
        "",
        "    ",
        "\t",
        "> ",
        ">",
        ">> ",
        "> > > ",
        "| ",
        "JD> ",
        "&gt; ",
        "- ",
        "  * ",
        "12. ",
        "   34\t",
        "\u{a0}\u{a0}",
        "\u{feff}",
        "\x1b[0m",
        "[   12.345678] ",
        "[12.345678][  T123] ",
        "<6>[   12.345678] ",
        "[Tue Dec  1 15:08:10 2026] ",
        "Mar  3 12:00:00 host kernel: ",
        "Mar 03 12:00:00 host kernel: [   12.345678] ",
        "2026-12-01T15:08:10.123456+00:00 host kernel: ",
        "2026-12-01T15:08:10+0100 host dump[123]: ",
        "2026-12-01 15:08:10 ",
        "kernel: ",
        "> [   12.345678] ",
    ] {
        assert_gpu(&prefixed(prefix), Some("0000:01:00.0"));
    }
}

#[test]
fn any_prefix_before_whole_rows() {
    let rows: String = GPU.lines().map(|row| format!("qemu-7: (pci) cfg {row}\n")).collect();
    assert_gpu(&rows, None);
}

#[test]
fn headers_of_a_mail_are_no_rows() {
    let mail = "From: a@b\nTo: c@d\nCc: e@f\nBcc: ab@cd\nDate: Tue, 1 Dec\nadd: 20 people\nbe: ad\nSubject: x\n\n";
    assert_gpu(&format!("{mail}{}", prefixed("> ")), Some("0000:01:00.0"));
    assert_eq!(problems(&read(mail)), [(1, DumpFault::NoFunction)]);
}

#[test]
fn wrapped_rows_are_put_together() {
    for at in [4, 30, 48] {
        let cut = |row: &str| format!("> {}\n> {}\n", &row[..at].trim_end(), &row[at..]);
        let rows: String = GPU.lines().map(cut).collect();
        let is_bare = at == 4;
        let text = format!("> {TITLE}\n{rows}");
        match is_bare {
            // An offset alone is no row.
            true => assert_eq!(lengths(&read(&text)), []),
            false => assert_gpu(&text, Some("0000:01:00.0")),
        }
    }
    // The quote mark is lost, and a title is wrapped too.
    let text = prefixed("> ")
        .replace(" Device", "\nDevice")
        .replace(" 80 00\n", "\n80 00\n");
    assert_gpu(&text, Some("0000:01:00.0"));
}

#[test]
fn replies_within_a_row_do_not_end_it() {
    let (first, second) = GPU.lines().nth(1).unwrap().split_at(27);
    let reply = format!("> {first}\n\nThis BAR has no address.\n\n> {}", second.trim_start());
    let text = prefixed("> ").replace(&format!("> {first}{second}"), &reply);
    assert_gpu(&text, Some("0000:01:00.0"));
    // A number between the rows is none of their bytes.
    let numbered = prefixed("> ").replace("\n> 10:", "\n\n20\n\n> 10:");
    assert_gpu(&numbered, Some("0000:01:00.0"));
}

#[test]
fn rows_that_run_together_are_taken_apart() {
    let flowed = GPU.replace('\n', " ");
    assert_gpu(&format!("{TITLE}\n{flowed}\n"), Some("0000:01:00.0"));
    let (first, second) = flowed.split_at(94);
    assert_gpu(
        &format!("{TITLE}\n{}\n{second}\n", first.trim_end()),
        Some("0000:01:00.0"),
    );
}

#[test]
fn quoted_printable_lines_are_whole_again() {
    let line = |row: &str| {
        let long = format!("Mar  3 12:00:00 a-host-with-a-name kernel: [   12.345678] {row}");
        let (first, second) = long.split_at(75);
        format!("{first}=\n{second}\n")
    };
    let rows: String = GPU.lines().map(line).collect();
    assert_gpu(&format!("Content-Transfer-Encoding: quoted-printable\n\n{rows}"), None);
    assert_ne!(lengths(&read(&rows)), [(None, 64)]);
}

#[test]
fn marked_bytes_are_bytes() {
    let marked = GPU
        .replacen(" 89 24", " [89]  *24*", 1)
        .replacen(" 84 0c", "  84  0c", 1);
    assert_gpu(&format!("{TITLE}\n{marked}"), Some("0000:01:00.0"));
}

#[test]
fn heading_with_an_address_names_the_rows_directly_below() {
    for heading in [
        "$ hexdump -C /sys/bus/pci/devices/0000:01:00.0/config",
        "==> /sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/config <==",
        "[    0.512345] pci 0000:01:00.0: config space:",
        "--- 01:00.0 ---",
        "0000:01:00.0:",
        "PCI Bus 01 Device 00 Function 00",
    ] {
        assert_gpu(&format!("{heading}\n{GPU}"), Some("0000:01:00.0"));
        let below_another = read(&format!("02:00.0 y\n\n{heading}\n{GPU}"));
        assert_eq!(lengths(&below_another), [(Some("0000:01:00.0".to_owned()), 64)]);
    }
    for other in [
        "vfio-pci 0000:01:00.0: enabling device",
        "config space of 0000:01:00.0\nand of another:",
    ] {
        assert_gpu(&format!("{other}\n{GPU}"), None);
    }
}

#[test]
fn changed_lines_of_a_diff_are_not_mixed() {
    let changed = GPU.lines().next().unwrap().replace("07 04", "00 00");
    let diff = format!("{TITLE}\n{}\n+{changed}\n", GPU.trim_end());
    let dump = read(&diff);
    assert_eq!(problems(&dump), []);
    assert_eq!(lengths(&dump)[0].1, 64);
}
