//! The served bytes against the public dumps that they are made from.

use super::*;

/// The standard chain as (offset, identifier), walked as lspci does.
fn standard(space: &ConfigSpace) -> Vec<(u8, u8)> {
    let byte = |offset: u8| {
        let mut data = [0];
        space.read(u64::from(offset), &mut data);
        data[0]
    };
    let mut chain = Vec::new();
    let mut at = byte(0x34);
    while at != 0 && chain.len() < 48 {
        chain.push((at, byte(at)));
        at = byte(at + 1);
    }
    chain
}

/// The extended chain as (offset, identifier and version).
fn extended(space: &ConfigSpace) -> Vec<(u16, u32)> {
    let mut chain = Vec::new();
    let mut at = 0x100;
    while at != 0 && chain.len() < 48 {
        let header = space.dword(at);
        chain.push((at, header & 0x000f_ffff));
        at = u16::try_from(header >> 20).unwrap();
    }
    chain
}

fn spaces(vendor: Vendor, count: usize) -> Vec<ConfigSpace> {
    let functions = BoardDesign::new(vendor, count).functions().unwrap();
    functions.iter().map(FunctionDesign::config_space).collect()
}

#[test]
fn the_nvidia_gpu_is_the_published_dump() {
    let gpu = &spaces(Vendor::Nvidia, 2)[0];
    let dwords = [
        (0x00, 0x2489_10de),
        (0x08, 0x0300_00a1),
        (0x2c, 0x4077_1458),
        (0x40, 0x4077_1458),
        (0x60, 0x4803_6801),
        (0x64, 0x0000_0008),
        (0x68, 0x0080_7805),
        (0x78, 0x0012_b410),
        (0x7c, 0x112c_8de1),
        (0x84, 0x0045_3d04),
        (0x9c, 0x0007_0013),
        (0xa4, 0x0180_001e),
        (0xb4, 0x0114_0009),
        (0xc8, 0x0005_0011),
        (0x100, 0x2581_0002),
        (0x114, 0x8000_00ff),
        (0x258, 0x1281_001e),
        (0x25c, 0x0028_ff1f),
        (0x128, 0x4201_0004),
        (0x130, 0x0007_8121),
        (0x420, 0x6002_0001),
        (0x42c, 0x0046_2030),
        (0x434, 0x0000_a000),
        (0x600, 0x9001_000b),
        (0x604, 0x0241_0001),
        (0x900, 0xbb01_0019),
        (0x90c, 0x7700_7700),
        (0xbb0, 0xc1c1_0015),
        (0xbcc, 0xc141_0010),
        (0xc1c, 0xd001_0026),
        (0xc28, 0x0000_000f),
        (0xd00, 0xe001_0027),
        (0xd04, 0x0003_0001),
        (0xe00, 0x0001_0025),
        (0xe04, 0x8000_0001),
    ];
    for (offset, value) in dwords {
        assert_eq!(gpu.dword(offset), value, "at {offset:#x}");
    }
}

#[test]
fn the_nvidia_gpu_links_backwards() {
    let chain = extended(&spaces(Vendor::Nvidia, 1)[0]);
    let offsets: Vec<_> = chain.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(
        offsets,
        [0x100, 0x258, 0x128, 0x420, 0x600, 0x900, 0xbb0, 0xc1c, 0xd00, 0xe00]
    );
}

#[test]
fn nvidia_siblings_have_the_chains_of_their_kind() {
    let spaces = spaces(Vendor::Nvidia, 4);
    assert_eq!(standard(&spaces[1]), [(0x60, 1), (0x68, 5), (0x78, 0x10)]);
    assert_eq!(extended(&spaces[1]), [(0x100, 0x2_0001), (0x160, 0x1_0025)]);
    for usb in &spaces[2..] {
        assert_eq!(standard(usb), [(0x68, 5), (0x78, 0x10), (0xb4, 1)]);
        assert_eq!(extended(usb), [(0x100, 0x2_0001)]);
    }
    let flr: Vec<_> = spaces.iter().map(ConfigSpace::can_flr).collect();
    assert_eq!(flr, [true, false, false, false]);
}

#[test]
fn the_amd_gpu_has_its_chains_and_no_flr() {
    let gpu = &spaces(Vendor::Amd, 2)[0];
    assert_eq!(gpu.dword(0), 0x73ef_1002);
    assert_eq!(standard(gpu), [(0x48, 9), (0x50, 1), (0x64, 0x10), (0xa0, 5)]);
    let offsets: Vec<_> = extended(gpu).iter().map(|(offset, _)| *offset).collect();
    assert_eq!(
        offsets,
        [0x100, 0x150, 0x200, 0x240, 0x270, 0x2a0, 0x2d0, 0x320, 0x410, 0x440]
    );
    assert!(!gpu.can_flr());
}

/// Whether each function has FLR, and whether it has Power Budgeting.
fn resets_and_budgets(vendor: Vendor, count: usize) -> Vec<(bool, bool)> {
    let has_budget = |space: &ConfigSpace| extended(space).iter().any(|(_, id)| id & 0xffff == 4);
    let spaces = spaces(vendor, count);
    spaces
        .iter()
        .map(|space| (space.can_flr(), has_budget(space)))
        .collect()
}

#[test]
fn flr_and_power_budgeting_are_where_real_boards_have_them() {
    let no_sibling_has_any = (false, false);
    assert_eq!(
        resets_and_budgets(Vendor::Nvidia, 4),
        [(true, true), no_sibling_has_any, no_sibling_has_any, no_sibling_has_any]
    );
    assert_eq!(resets_and_budgets(Vendor::NvidiaT4, 1), [(false, true)]);
    assert_eq!(resets_and_budgets(Vendor::Amd, 2), [(false, true), no_sibling_has_any]);
    assert_eq!(
        resets_and_budgets(Vendor::AmdVega20, 2),
        [(false, false), no_sibling_has_any]
    );
    assert_eq!(resets_and_budgets(Vendor::Intel, 1), [(true, false)]);
}

#[test]
fn the_t4_has_its_dead_capability_and_its_vectors() {
    let gpu = &spaces(Vendor::NvidiaT4, 1)[0];
    assert_eq!((gpu.dword(0), gpu.dword(8)), (0x1eb8_10de, 0x0302_00a1));
    assert_eq!(standard(gpu), [(0x60, 1), (0x68, 0), (0x78, 0x10), (0xc8, 0x11)]);
    let vectors = [0xc8, 0xcc, 0xd0].map(|offset| gpu.dword(offset));
    assert_eq!(vectors, [0x0005_0011, 0x00b9_0000, 0x00ba_0000]);
    let offsets: Vec<_> = extended(gpu).iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [0x100, 0x258, 0x128, 0x420, 0x600, 0x900, 0xbb0]);
}

#[test]
fn the_vega_20_has_its_chains() {
    let spaces = spaces(Vendor::AmdVega20, 2);
    assert_eq!((spaces[0].dword(0), spaces[1].dword(0)), (0x66a0_1002, 0xab20_1002));
    assert_eq!(standard(&spaces[0]), [(0x48, 9), (0x50, 1), (0x64, 0x10), (0xa0, 5)]);
    let offsets: Vec<_> = extended(&spaces[0]).iter().map(|(offset, _)| *offset).collect();
    assert_eq!(
        offsets,
        [
            0x100, 0x150, 0x200, 0x270, 0x2a0, 0x2b0, 0x2c0, 0x2d0, 0x320, 0x400, 0x410, 0x440
        ]
    );
}

#[test]
fn the_arc_is_the_published_dump_and_turns_back() {
    let gpu = &spaces(Vendor::Intel, 1)[0];
    let dwords = [
        (0x00, 0x56a0_8086),
        (0x08, 0x0300_0008),
        (0x10, 0x0000_0004),
        (0x18, 0x0000_000c),
        (0x70, 0x0002_ac10),
        (0x74, 0x1000_8020),
        (0x7c, 0x0040_0c11),
        (0x94, 0x0013_0812),
        (0xd0, 0x4803_0001),
        (0xd4, 0x0000_0008),
    ];
    for (offset, value) in dwords {
        assert_eq!(gpu.dword(offset), value, "at {offset:#x}");
    }
    assert_eq!(standard(gpu), [(0x40, 9), (0x70, 0x10), (0xac, 5), (0xd0, 1)]);
    assert_eq!(extended(gpu), [(0x100, 0x1_000e), (0x420, 0x1_0015), (0x400, 0x1_0018)]);
}

#[test]
fn bars_size_and_say_their_kind() {
    let mut gpu = spaces(Vendor::Nvidia, 1).remove(0);
    for offset in [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24] {
        gpu.write(offset, &[0xff; 4]);
    }
    let sized: Vec<_> = [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24]
        .map(|offset| gpu.dword(offset))
        .into();
    assert_eq!(
        sized,
        [
            0xff00_0000, // 16 MiB, 32-bit
            0xf000_000c, // 256 MiB, 64-bit prefetchable
            0xffff_ffff,
            0xfe00_000c, // 32 MiB, 64-bit prefetchable
            0xffff_ffff,
            0xffff_ff81, // 128 ports
        ]
    );
}

#[test]
fn read_only_bits_and_error_bits_keep_to_their_masks() {
    let mut gpu = spaces(Vendor::Nvidia, 1).remove(0);
    gpu.write(0, &[0; 4]);
    assert_eq!(gpu.dword(0), 0x2489_10de);
    gpu.write(4, &[0xff; 4]);
    assert_eq!(gpu.dword(4), 0x0010_0547);
    // Status and Device Status clear what is written as one and nothing else.
    gpu.set(4, 0xf900_0000, 0x3000_0000);
    gpu.write(6, &[0x00, 0x10]);
    assert_eq!(gpu.dword(4), 0x2010_0547);
}

#[test]
fn every_function_of_several_is_marked_multifunction() {
    let header_type = |space: &ConfigSpace| space.dword(0x0c) >> 16 & 0xff;
    let four: Vec<_> = spaces(Vendor::Nvidia, 4).iter().map(header_type).collect();
    assert_eq!(four, [0x80; 4]);
    assert_eq!(header_type(&spaces(Vendor::Nvidia, 1)[0]), 0);
}

#[test]
fn identity_and_class_can_be_others() {
    let mut design = BoardDesign::new(Vendor::Nvidia, 2);
    design.identities = vec!["1=8086:37c8".parse().unwrap()];
    design.classes = vec!["0=030200".parse().unwrap()];
    let functions = design.functions().unwrap();
    assert_eq!(functions[1].config_space().dword(0), 0x37c8_8086);
    assert_eq!(functions[0].config_space().dword(8), 0x0302_00a1);
}

#[test]
fn a_serial_number_stands_at_the_end_of_function_0s_list() {
    let mut design = BoardDesign::new(Vendor::Nvidia, 2);
    design.serial_number = Some("48b02d0000000001".parse().unwrap());
    let functions = design.functions().unwrap();
    let space = functions[0].config_space();
    assert_eq!(space.dword(0xe00) >> 20, 0xf00);
    assert_eq!(space.dword(0xf00), 0x0001_0003);
    assert_eq!((space.dword(0xf04), space.dword(0xf08)), (0x0000_0001, 0x48b0_2d00));
    assert_eq!(functions[1].config_space().dword(0x160) >> 20, 0);
    assert!("48-b0".parse::<SerialNumber>().is_err());
}

#[test]
fn a_design_that_cannot_be_says_why() {
    let amd = BoardDesign::new(Vendor::Amd, 3).functions().unwrap_err();
    assert_eq!(amd.to_string(), "3 functions: the amd board has 1 to 2");
    let mut design = BoardDesign::new(Vendor::Amd, 1);
    design.soft_resets = vec![1];
    let beyond = design.functions().unwrap_err();
    assert_eq!(beyond.to_string(), "function 1 does not exist: the board has 1");
    let usb = "gpu,ubs".parse::<Functions>().unwrap_err();
    assert_eq!(
        usb.to_string(),
        "`ubs` is neither a number nor one of gpu, audio, usb, ucsi"
    );
    assert!("1=8086-37c8".parse::<Override<Identity>>().is_err());
    assert!("0=3".parse::<Override<Class>>().is_err());
}

#[test]
fn a_rom_is_decoded_by_its_bar_and_names_its_version() {
    let mut design = BoardDesign::new(Vendor::Nvidia, 2);
    assert_eq!(design.functions().unwrap()[0].config_space().dword(0x30), 0);
    design.vbios = Some("94.02.5c.00.08".parse().unwrap());
    let functions = design.functions().unwrap();
    let mut space = functions[0].config_space();
    // As a machine finds out how large it is.
    space.write(0x30, &0xffff_f800_u32.to_le_bytes());
    assert_eq!(space.dword(0x30), 0xffff_0000);
    space.write(0x30, &0xfe00_0001_u32.to_le_bytes());
    assert_eq!(space.dword(0x30), 0xfe00_0001);
    let rom = &functions[0].rom;
    assert_eq!((&rom[..2], &rom[0x1c..0x22]), (&[0x55, 0xaa][..], &b"PCIR\xde\x10"[..]));
    // 32 blocks of 512 bytes, for UEFI, and the last.
    assert_eq!((rom[0x2c], rom[0x30], rom[0x31], rom.len()), (32, 3, 0x80, 32 * 512));
    assert_eq!(rom[0x300..0x305], [0x00, 0x5c, 0x02, 0x94, 0x08]);
    assert!(functions[1].rom.is_empty());
    assert!("94.02".parse::<VbiosVersion>().is_err());
}
