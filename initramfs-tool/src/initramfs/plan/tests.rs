use std::path::Path;

use super::*;

const RUNNING: &str = "6.1.0-50-amd64";

fn image(version: &str, size: u64, free: u64) -> Image {
    Image {
        path: Path::new("/boot").join(format!("initrd.img-{version}")),
        size,
        free,
        file_system: 1,
        read_only: false,
    }
}

fn disk(path: &str, binding: Result<Binding, String>) -> Disk {
    let path = path.into();
    Disk { path, binding }
}

/// A machine on which nothing speaks against it.
fn machine() -> Facts {
    let kernel = |version: &str| Kernel {
        version: version.to_owned(),
        image: Some(image(version, 50 << 20, 500 << 20)),
    };
    Facts {
        builders: vec![Builder::InitramfsTools],
        running: Some(RUNNING.to_owned()),
        kernels: vec![kernel(RUNNING), kernel("6.1.0-49-amd64")],
        places: vec!["/boot/initrd.img-VERSION".to_owned()],
        has_program: true,
        disks: vec![disk("/dev/sda3", Ok(Binding::None))],
        ..Facts::default()
    }
}

fn refused(change: impl FnOnce(&mut Facts), request: &Request) -> Vec<Refusal> {
    let mut facts = machine();
    change(&mut facts);
    install(&facts, request).unwrap_err()
}

fn forced() -> Request {
    Request {
        force: true,
        ..Request::default()
    }
}

#[test]
fn the_running_kernel_is_the_default_and_others_are_mentioned() {
    let plan = install(&machine(), &Request::default()).unwrap();
    assert_eq!(
        plan.kernels,
        [(
            RUNNING.to_owned(),
            Path::new("/boot/initrd.img-6.1.0-50-amd64").to_owned()
        )]
    );
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("6.1.0-49-amd64") && note.contains("--all")),
        "{plan:?}"
    );
    let all = Request {
        kernels: Which::All,
        ..Request::default()
    };
    let plan = install(&machine(), &all).unwrap();
    assert_eq!((plan.kernels.len(), plan.notes), (2, Vec::new()));
}

#[test]
fn kernels_that_are_not_there_are_refused() {
    let named = |version: &str| Request {
        kernels: Which::Named(vec![version.to_owned()]),
        ..Request::default()
    };
    let found = refused(|_| {}, &named("5.10"));
    assert!(
        matches!(&found[..], [Refusal::NoKernel { there, .. }] if there.len() == 2),
        "{found:?}"
    );
    assert_eq!(
        refused(|facts| facts.running = None, &Request::default()),
        [Refusal::RunningUnknown]
    );
    assert!(
        install(
            &Facts {
                running: None,
                ..machine()
            },
            &named(RUNNING)
        )
        .is_ok()
    );
    let found = refused(|facts| facts.kernels[0].image = None, &Request::default());
    assert_eq!(
        found[0].to_string(),
        "kernel 6.1.0-50-amd64 has no initramfs at /boot/initrd.img-6.1.0-50-amd64"
    );
    let all = Request {
        kernels: Which::All,
        ..Request::default()
    };
    assert_eq!(refused(|facts| facts.kernels.clear(), &all), [Refusal::NoKernels]);
}

#[test]
fn no_builder_and_no_program_are_refused_together() {
    let found = refused(
        |facts| {
            facts.builders.clear();
            facts.has_program = false;
        },
        &forced(),
    );
    assert_eq!(found, [Refusal::NoProgram, Refusal::NoBuilder]);
    let asked = Request {
        builder: Some(Builder::InitramfsTools),
        ..Request::default()
    };
    let found = refused(|facts| facts.builders.clear(), &asked);
    assert_eq!(found, [Refusal::BuilderNotThere(Builder::InitramfsTools)]);
}

#[test]
fn two_images_have_to_fit_on_each_file_system() {
    let narrow = |facts: &mut Facts| {
        for image in facts.kernels.iter_mut().flat_map(|kernel| &mut kernel.image) {
            image.free = 70 << 20;
        }
    };
    let mut facts = machine();
    narrow(&mut facts);
    assert!(install(&facts, &Request::default()).is_ok(), "one fits");
    let all = Request {
        kernels: Which::All,
        force: true,
        ..Request::default()
    };
    let found = refused(narrow, &all);
    assert!(
        matches!(&found[..], [Refusal::NoSpace { free, .. }] if *free == 70 << 20),
        "{found:?}"
    );
    let apart = |facts: &mut Facts| {
        narrow(facts);
        facts.kernels[1].image.as_mut().unwrap().file_system = 2;
    };
    apart(&mut facts);
    assert!(install(&facts, &all).is_ok());
}

#[test]
fn bound_disks_and_unknown_ones_are_refused_unless_forced() {
    let bound: Result<_, String> = Ok(Binding::Registers("clevis", vec![9]));
    for binding in [bound, Err("permission denied".to_owned())] {
        let change = |facts: &mut Facts| facts.disks.push(disk("/dev/sdb", binding));
        let mut facts = machine();
        change(&mut facts);
        let found = install(&facts, &Request::default()).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().contains("/dev/sdb"), "{found:?}");
        assert!(found[0].remedy().iter().any(|step| step.contains("--force")));
        let plan = install(&facts, &forced()).unwrap();
        assert!(plan.notes.iter().any(|note| note.contains("/dev/sdb")), "{plan:?}");
    }
    let unknown = |facts: &mut Facts| facts.disks_unknown = Some("no /sys".to_owned());
    assert_eq!(
        refused(unknown, &Request::default()),
        [Refusal::DisksUnknown("no /sys".to_owned())]
    );
}

#[test]
fn unified_images_are_refused_with_the_steps() {
    let change = |facts: &mut Facts| facts.unified.push("/efi/EFI/Linux/arch-linux.efi".to_owned());
    let found = refused(change, &Request::default());
    assert!(found[0].to_string().contains("arch-linux.efi"), "{found:?}");
    assert!(found[0].remedy().iter().any(|step| step.contains("kernel-install")));
    let mut facts = machine();
    change(&mut facts);
    assert!(install(&facts, &forced()).is_ok());
}

#[test]
fn a_deployed_system_is_never_changed_and_is_told_how() {
    for deployed in [Deployed::Ostree, Deployed::Bootc] {
        let found = refused(|facts| facts.deployed = Some(deployed), &forced());
        assert_eq!(found, [Refusal::Deployed(deployed)]);
        assert!(found[0].remedy().iter().any(|step| step.contains("dracut")));
    }
}

#[test]
fn of_several_builders_the_one_that_made_the_image_is_taken_and_said() {
    let two = |facts: &mut Facts| facts.builders.push(Builder::Dracut);
    let asked = Request {
        builder: Some(Builder::Dracut),
        ..Request::default()
    };
    let expected = [Refusal::SeveralBuilders(vec![Builder::InitramfsTools, Builder::Dracut])];
    assert_eq!(refused(two, &Request::default()), expected);
    let mut facts = machine();
    two(&mut facts);
    assert_eq!(install(&facts, &asked).unwrap().builder, Builder::Dracut);
    facts.made_by = Some(Builder::Dracut);
    let plan = install(&facts, &Request::default()).unwrap();
    assert_eq!(plan.builder, Builder::Dracut);
    assert!(plan.notes.iter().any(|note| note.contains("--builder")), "{plan:?}");
    // An image that came from elsewhere says nothing.
    facts.made_by = Some(Builder::Mkinitcpio);
    assert_eq!(install(&facts, &Request::default()).unwrap_err(), expected);
}

#[test]
fn a_configuration_that_would_have_to_be_edited_is_refused() {
    let change = |facts: &mut Facts| {
        facts.builders = vec![Builder::Mkinitcpio];
        facts.no_drop_ins = Some("it is too old".to_owned());
    };
    assert_eq!(
        refused(change, &forced()),
        [Refusal::NoDropIns("it is too old".to_owned())]
    );
    // It does not matter to others.
    let mut facts = machine();
    facts.no_drop_ins = Some("it is too old".to_owned());
    assert!(install(&facts, &Request::default()).is_ok());
}

#[test]
fn without_a_builder_nothing_is_said_of_images() {
    let found = refused(
        |facts| {
            facts.builders.clear();
            facts.kernels.clear();
        },
        &Request::default(),
    );
    assert_eq!(found, [Refusal::NoBuilder]);
}

#[test]
fn an_image_that_two_kernels_have_is_nobodys() {
    let shared = |facts: &mut Facts| {
        let image = facts.kernels[0].image.clone();
        facts.kernels[1].image = image;
    };
    for kernels in [Which::Running, Which::All, Which::Named(vec![RUNNING.to_owned()])] {
        let request = Request {
            kernels,
            ..Request::default()
        };
        assert!(matches!(
            refused(shared, &request).as_slice(),
            [Refusal::SharedImage { .. }]
        ));
    }
}

#[test]
fn where_nothing_can_be_written_or_others_put_the_images_nothing_is_begun() {
    let read_only = |facts: &mut Facts| facts.kernels[0].image.as_mut().unwrap().read_only = true;
    assert_eq!(
        refused(read_only, &forced()),
        [Refusal::ReadOnly(Path::new("/boot").to_owned())]
    );
    let elsewhere = |facts: &mut Facts| {
        facts.builders = vec![Builder::Dracut];
        facts.by_sdbootutil = true;
    };
    assert_eq!(refused(elsewhere, &forced()), [Refusal::Sdbootutil]);
}
