//! `reseat return-to-service`.

use reseat::linux::{self, IsolationResult, Return, Returned, Root};
use reseat::model::finding::{Finding, Subject, id};
use reseat_core::address::DeviceAddress;
use reseat_core::recovery::End;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::{Outcome, in_one_line};
use crate::gpu::{self, GpuName, gpu_help};
use crate::messages;
use crate::quarantine::NEXT_BOOT;
use crate::recover::{Reporter, log, tell};

/// Arguments of `reseat return-to-service`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(help = gpu_help!())]
    gpu: GpuName,
    /// How many resets have to be verified.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    resets: u32,
    /// Reset nothing and verify nothing. The reason is kept.
    #[arg(long, requires = "reason", conflicts_with = "resets")]
    force: bool,
    /// Why it is to be forced.
    #[arg(long, value_name = "TEXT", requires = "force")]
    reason: Option<String>,
    /// Print JSON, one event of the resets a line.
    #[arg(long)]
    json: bool,
}

/// Takes a GPU back into service.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let device = gpu::device(root, arguments.gpu)?;
    let how = match &arguments.reason {
        Some(reason) => Return::Force(reason.clone()),
        None => Return::Resets(arguments.resets),
    };
    let contract = linux::contract(root)?;
    linux::heed_signals()?;
    let mut reporter = Reporter::new(arguments.json);
    let returned = linux::return_to_service(root, device, &how, &contract, &mut |event| reporter.report(event));
    let status = match &returned {
        Ok(returned) => {
            reporter.add(&Ended::of(device, returned));
            report(device, &how, returned)
        }
        Err(_) => Exit::Failed,
    };
    reporter.finish();
    returned.map_err(gpu::or_absent(root, device))?;
    Ok(status)
}

/// The last line of the event stream.
#[derive(Serialize)]
struct Ended<'a> {
    event: &'static str,
    device: DeviceAddress,
    result: &'static str,
    /// Whether it is isolated; nothing where it is in service.
    isolated: Option<bool>,
    findings: Vec<&'a Finding>,
}

impl<'a> Ended<'a> {
    fn of(device: DeviceAddress, returned: &'a Returned) -> Self {
        let (result, isolation, mut findings) = match returned {
            Returned::Back => ("in-service", None, Vec::new()),
            Returned::BackWithoutDriver(findings) => ("in-service-without-driver", None, findings.iter().collect()),
            Returned::Unproven { isolation, .. } => ("unproven", Some(isolation), Vec::new()),
            Returned::Stopped { isolation } => ("stopped", Some(isolation), Vec::new()),
            Returned::NotHandedOver { findings, isolation } => {
                ("not-handed-over", Some(isolation), findings.iter().collect())
            }
        };
        if let Some(IsolationResult::Failed(more)) = isolation {
            findings.extend(more);
        }
        Self {
            event: "returned",
            device,
            result,
            isolated: isolation.map(|isolation| !matches!(isolation, IsolationResult::Failed(_))),
            findings,
        }
    }
}

fn report(device: DeviceAddress, how: &Return, returned: &Returned) -> Exit {
    match returned {
        Returned::Back => {
            log_return(device, how);
            tell(format_args!("reseat: {device} is in service again; {NEXT_BOOT}"));
            Exit::Done
        }
        Returned::BackWithoutDriver(findings) => {
            log_return(device, how);
            tell(format_args!(
                "reseat: {device} is in service again by force, and its driver does not have it: {}",
                in_one_line(findings)
            ));
            Exit::Failed
        }
        Returned::Unproven { end, isolation } => {
            let text = end.map_or_else(|| "it could not be isolated".to_owned(), |end| end.to_string());
            still_out(device, &text, isolation);
            match (isolation, end) {
                (IsolationResult::Failed(_), _) => Exit::NotMadeSafe,
                (_, Some(End::Unverified { .. } | End::Unproven { .. })) => Exit::Unproven,
                (_, Some(End::Refused(_))) => Exit::Refused,
                (_, None | Some(End::Recovered { .. } | End::OutOfService { .. })) => Exit::OutOfService,
            }
        }
        Returned::Stopped { isolation } => {
            still_out(device, "stopped by a signal", isolation);
            of_isolation(isolation)
        }
        Returned::NotHandedOver { findings, isolation } => {
            still_out(device, &in_one_line(findings), isolation);
            of_isolation(isolation)
        }
    }
}

fn of_isolation(isolation: &IsolationResult) -> Exit {
    match isolation {
        IsolationResult::Failed(_) => Exit::NotMadeSafe,
        IsolationResult::Done | IsolationResult::NotThere => Exit::OutOfService,
    }
}

fn log_return(device: DeviceAddress, how: &Return) {
    let note = |id| Finding::note(id, Subject::gpu(device));
    log(&messages::line(&match how {
        Return::Resets(resets) => note(id::RETURNED).with("resets", resets),
        Return::Force(reason) => note(id::RETURNED_BY_FORCE).with("reason", reason),
    }));
}

fn still_out(device: DeviceAddress, why: &str, isolation: &IsolationResult) {
    tell(format_args!("reseat: {device} is still out of service: {why}"));
    if let IsolationResult::Failed(findings) = isolation {
        tell(format_args!(
            "reseat: {device} is not out of reach: {}",
            in_one_line(findings)
        ));
    }
}
