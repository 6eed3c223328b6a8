use std::path::Path;

use super::*;
use crate::initramfs::machine::{Deployed, DisksError, NoDropIns, UnifiedSign};
use crate::initramfs::measured::BindingError;

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

fn disk(path: &str, binding: Result<Binding, BindingError>) -> Disk {
    let path = path.into();
    Disk { path, binding }
}

fn unreadable() -> BindingError {
    BindingError::Disk {
        cause: "permission denied".to_owned(),
    }
}

/// A machine without any obstacle.
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

fn refused(change: impl FnOnce(&mut Facts), request: &Request) -> Vec<InstallRefusal> {
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
    let [stay] = plan.findings.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        (&stay.id, stay.evidence.get("kernels")),
        (&id::OTHER_IMAGES_STAY, Some("6.1.0-49-amd64"))
    );
    let all = Request {
        kernels: Which::All,
        ..Request::default()
    };
    let plan = install(&machine(), &all).unwrap();
    assert_eq!((plan.kernels.len(), plan.findings), (2, Vec::new()));
}

#[test]
fn kernels_that_are_not_there_are_refused() {
    let named = |version: &str| Request {
        kernels: Which::Named(vec![version.to_owned()]),
        ..Request::default()
    };
    let found = refused(|_| {}, &named("5.10"));
    assert!(
        matches!(&found[..], [InstallRefusal::NoKernel { there, .. }] if there.len() == 2),
        "{found:?}"
    );
    assert_eq!(
        refused(|facts| facts.running = None, &Request::default()),
        [InstallRefusal::RunningUnknown]
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
    let finding = found[0].finding();
    assert_eq!(
        (&finding.id, finding.subject.name.as_str()),
        (&id::IMAGE_NOT_FOUND, RUNNING)
    );
    assert_eq!(finding.evidence.get("places"), Some("/boot/initrd.img-6.1.0-50-amd64"));
    let all = Request {
        kernels: Which::All,
        ..Request::default()
    };
    assert_eq!(
        refused(|facts| facts.kernels.clear(), &all),
        [InstallRefusal::NoKernels]
    );
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
    assert_eq!(found, [InstallRefusal::NoProgram, InstallRefusal::NoBuilder]);
    let asked = Request {
        builder: Some(Builder::InitramfsTools),
        ..Request::default()
    };
    let found = refused(|facts| facts.builders.clear(), &asked);
    assert_eq!(found, [InstallRefusal::BuilderNotThere(Builder::InitramfsTools)]);
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
        matches!(&found[..], [InstallRefusal::NoSpace { free, .. }] if *free == 70 << 20),
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
    let bound = Ok(Binding::Registers("clevis", vec![9]));
    for binding in [bound, Err(unreadable())] {
        let change = |facts: &mut Facts| facts.disks.push(disk("/dev/sdb", binding));
        let mut facts = machine();
        change(&mut facts);
        let found = install(&facts, &Request::default()).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        let finding = found[0].finding();
        assert_eq!(
            (finding.severity, finding.subject.name.as_str()),
            (Severity::Refusal, "/dev/sdb")
        );
        assert!(
            [Some(id::ENROLL_AGAIN), Some(id::READ_BINDING)].contains(&finding.remedy),
            "both say when to use --force: {finding:?}"
        );
        let plan = install(&facts, &forced()).unwrap();
        let is_it = |found: &&Finding| found.id == finding.id && found.subject == finding.subject;
        let warned = plan.findings.iter().find(is_it).unwrap();
        assert_eq!((warned.severity, &warned.remedy), (Severity::Warning, &None));
    }
    let error = DisksError {
        cause: "no /sys".to_owned(),
    };
    let unknown = |facts: &mut Facts| facts.disks_unknown = Some(error.clone());
    assert_eq!(
        refused(unknown, &Request::default()),
        [InstallRefusal::DisksUnknown(error.clone())]
    );
}

#[test]
fn unified_images_are_refused_with_the_steps() {
    let image = "/efi/EFI/Linux/arch-linux.efi";
    let change = |facts: &mut Facts| facts.unified.push(UnifiedSign::Image(image.into()));
    let finding = refused(change, &Request::default())[0].finding();
    assert_eq!(
        (&finding.id, finding.evidence.get("signs")),
        (&id::UNIFIED_IMAGES, Some(image))
    );
    assert_eq!(finding.remedy, Some(id::BUILD_UNIFIED));
    let signed = refused(
        |facts| {
            change(facts);
            facts.secure_boot = true;
        },
        &Request::default(),
    );
    assert_eq!(signed[0].finding().id, id::UNIFIED_IMAGES_SIGNED);
    let mut facts = machine();
    change(&mut facts);
    assert!(install(&facts, &forced()).is_ok());
}

#[test]
fn a_deployed_system_is_never_changed_and_is_told_how() {
    for (deployed, remedy) in [(Deployed::Ostree, id::BUILD_OSTREE), (Deployed::Bootc, id::BUILD_BOOTC)] {
        let found = refused(|facts| facts.deployed = Some(deployed), &forced());
        assert_eq!(found, [InstallRefusal::Deployed(deployed)]);
        assert_eq!(found[0].finding().remedy, Some(remedy));
        let files = install_files(
            &Facts {
                deployed: Some(deployed),
                ..machine()
            },
            &forced(),
        );
        assert_eq!(files.unwrap_err(), found);
    }
}

#[test]
fn of_several_builders_the_one_that_made_the_image_is_taken_and_said() {
    let two = |facts: &mut Facts| facts.builders.push(Builder::Dracut);
    let asked = Request {
        builder: Some(Builder::Dracut),
        ..Request::default()
    };
    let expected = [InstallRefusal::SeveralBuilders(vec![
        Builder::InitramfsTools,
        Builder::Dracut,
    ])];
    assert_eq!(refused(two, &Request::default()), expected);
    let mut facts = machine();
    two(&mut facts);
    assert_eq!(install(&facts, &asked).unwrap().builder, Builder::Dracut);
    facts.made_by = Some(Builder::Dracut);
    let plan = install(&facts, &Request::default()).unwrap();
    assert_eq!(plan.builder, Builder::Dracut);
    let others = plan
        .findings
        .iter()
        .find(|found| found.id == id::OTHER_BUILDERS_INSTALLED);
    assert_eq!(others.unwrap().evidence.get("others"), Some("initramfs-tools"));
    // An image from elsewhere is no evidence.
    facts.made_by = Some(Builder::Mkinitcpio);
    assert_eq!(install(&facts, &Request::default()).unwrap_err(), expected);
}

#[test]
fn a_configuration_that_would_have_to_be_edited_is_refused() {
    let change = |facts: &mut Facts| {
        facts.builders = vec![Builder::Mkinitcpio];
        facts.no_drop_ins = Some(NoDropIns::TooOld);
    };
    assert_eq!(
        refused(change, &forced()),
        [InstallRefusal::NoDropIns(NoDropIns::TooOld)]
    );
    // Other builders are not affected.
    let mut facts = machine();
    facts.no_drop_ins = Some(NoDropIns::TooOld);
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
    assert_eq!(found, [InstallRefusal::NoBuilder]);
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
            [InstallRefusal::SharedImage { .. }]
        ));
    }
}

#[test]
fn where_nothing_can_be_written_or_others_put_the_images_nothing_is_begun() {
    let read_only = |facts: &mut Facts| facts.kernels[0].image.as_mut().unwrap().read_only = true;
    assert_eq!(
        refused(read_only, &forced()),
        [InstallRefusal::ReadOnly(Path::new("/boot").to_owned())]
    );
    let elsewhere = |facts: &mut Facts| {
        facts.builders = vec![Builder::Dracut];
        facts.by_sdbootutil = true;
    };
    assert_eq!(refused(elsewhere, &forced()), [InstallRefusal::Sdbootutil]);
}

/// An image with such rules would claim nothing by them.
#[test]
fn invalid_rules_are_refused_forced_or_not() {
    let invalid =
        Finding::error(id::RULE_INVALID, Subject::file("/etc/reseat/reseat.toml")).with("cause", "no selector");
    let facts = Facts {
        rules: RulesState::Invalid(vec![invalid.clone()]),
        ..machine()
    };
    for request in [Request::default(), forced()] {
        let expected = [InstallRefusal::InvalidRules(invalid.clone())];
        assert_eq!(install(&facts, &request).unwrap_err(), expected);
        assert_eq!(install_files(&facts, &request).unwrap_err(), expected);
    }
    let refusal = InstallRefusal::InvalidRules(invalid.clone()).finding();
    assert_eq!(refusal.remedy, Some(id::CORRECT_RULES_FIRST));
    assert_eq!(
        (refusal.severity, &refusal.evidence),
        (Severity::Refusal, &invalid.evidence)
    );
}

#[test]
fn without_rules_it_is_installed_and_said() {
    let facts = Facts {
        rules: RulesState::Missing("/etc/reseat/reseat.toml".into()),
        ..machine()
    };
    let plan = install(&facts, &Request::default()).unwrap();
    assert!(
        plan.findings.iter().any(|found| found.id == id::RULES_FILE_MISSING),
        "{plan:?}"
    );
}
