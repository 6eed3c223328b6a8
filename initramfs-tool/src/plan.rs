//! From rules to GPUs: which are claimed, which are refused and why, and which rules came to nothing.

use std::fmt;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity};

use crate::inventory::{self, Function, Gpu};
use crate::iommu::{self, Missing};
use crate::rules::{Rule, Selector, SelectorError};

/// What the rules ask for on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Each rule with what it came to, in the rules' order.
    pub rules: Vec<(Rule, RuleOutcome)>,
    /// The GPUs to claim, by address, each once however many rules choose it.
    pub claim: Vec<Gpu>,
    /// The GPUs that were chosen and cannot be claimed.
    pub refused: Vec<(Gpu, Refusal)>,
    /// The GPUs that are out of service, chosen or not, and why. They are isolated.
    pub out_of_service: Vec<(Gpu, String)>,
}

/// Whether a GPU would be claimed if it were in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It would.
    Yes,
    /// It would not.
    No,
}

/// What a rule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOutcome {
    /// It chose these GPUs.
    Chose(Vec<DeviceAddress>),
    /// It chose none.
    Nothing(Nothing),
}

/// Why a rule chose nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// Its selector means nothing.
    Unreadable(SelectorError),
    /// No function has this address.
    NoFunction(FunctionAddress),
    /// The function has this address but another identity: something has moved, or was exchanged.
    GuardFailed {
        /// Where.
        address: FunctionAddress,
        /// The identity that the rule names.
        expected: Identity,
        /// The identity that is there.
        found: Identity,
    },
    /// The function belongs to no GPU.
    NotAGpu {
        /// Where.
        address: FunctionAddress,
        /// What it says it is.
        class: ClassCode,
    },
    /// The function is a virtual one.
    Virtual(FunctionAddress),
    /// The function is there and cannot be read.
    CannotRead {
        /// Where.
        address: FunctionAddress,
        /// Which file and why.
        problem: String,
    },
    /// No GPU has a function of this identity.
    NoIdentity(Identity),
    /// There is no GPU at all.
    NoGpu,
}

/// Why a chosen GPU is not claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One of its functions cannot be read, so it is not known whether that could be claimed with it.
    CannotRead {
        /// Which.
        function: FunctionAddress,
        /// Which file and why.
        problem: String,
    },
    /// On its device number stands what is no part of a GPU and has to stay where it is.
    Stranger {
        /// Which function.
        function: FunctionAddress,
        /// What it says it is.
        class: ClassCode,
    },
    /// A function's DMA would not be isolated.
    NoIommu {
        /// The function without a group.
        function: FunctionAddress,
        /// Why it has none.
        missing: Missing,
    },
}

/// The machine that the rules are held against.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// Its functions.
    pub functions: &'a [Function],
    /// Functions that are there and could not be read, and why.
    pub unreadable: &'a [(FunctionAddress, String)],
    /// What is known of its IOMMU.
    pub iommu: &'a iommu::Evidence,
}

/// Holds the rules against the machine.
pub fn plan(rules: Vec<Rule>, machine: Machine<'_>) -> Plan {
    let gpus = inventory::gpus(machine.functions);
    let rules: Vec<(Rule, RuleOutcome)> = rules
        .into_iter()
        .map(|rule| {
            let outcome = match &rule.selector {
                Ok(selector) => choose(*selector, machine, &gpus),
                Err(error) => Err(Nothing::Unreadable(*error)),
            };
            (rule, outcome.map_or_else(RuleOutcome::Nothing, RuleOutcome::Chose))
        })
        .collect();
    let chosen = |gpu: &Gpu| {
        rules
            .iter()
            .any(|(_, outcome)| matches!(outcome, RuleOutcome::Chose(devices) if devices.contains(&gpu.device)))
    };
    let mut claim = Vec::new();
    let mut refused = Vec::new();
    for gpu in gpus.iter().filter(|gpu| chosen(gpu)) {
        match refusal(gpu, machine) {
            None => claim.push(gpu.clone()),
            Some(refusal) => refused.push((gpu.clone(), refusal)),
        }
    }
    Plan {
        rules,
        claim,
        refused,
        out_of_service: Vec::new(),
    }
}

impl Plan {
    /// Leaves of the plan what is about the GPU on `device`: it, the rules that choose it, and those that name an address on
    /// it and refuse what is there.
    pub fn narrow_to(&mut self, device: DeviceAddress) {
        self.rules.retain(|(_, outcome)| outcome.is_about(device));
        self.claim.retain(|gpu| gpu.device == device);
        self.refused.retain(|(gpu, _)| gpu.device == device);
        self.out_of_service.retain(|(gpu, _)| gpu.device == device);
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.claim.is_empty() && self.refused.is_empty() && self.out_of_service.is_empty()
    }

    /// Sets GPUs aside that are out of service: those of the machine's `functions` that `against` has words against.
    ///
    /// Strangers beside one are left where they are.
    pub fn set_aside(&mut self, functions: &[Function], mut against: impl FnMut(&Gpu, Chosen) -> Option<String>) {
        for mut gpu in inventory::gpus(functions) {
            let chosen = match self.claim.iter().any(|claim| claim.device == gpu.device) {
                true => Chosen::Yes,
                false => Chosen::No,
            };
            let Some(why) = against(&gpu, chosen) else {
                continue;
            };
            gpu.functions.retain(|function| !is_stranger(function));
            self.claim.retain(|claim| claim.device != gpu.device);
            self.refused.retain(|(refused, _)| refused.device != gpu.device);
            self.out_of_service.push((gpu, why));
        }
    }
}

impl RuleOutcome {
    fn is_about(&self, device: DeviceAddress) -> bool {
        match self {
            Self::Chose(devices) => devices.contains(&device),
            Self::Nothing(
                Nothing::GuardFailed { address, .. }
                | Nothing::NotAGpu { address, .. }
                | Nothing::CannotRead { address, .. }
                | Nothing::Virtual(address),
            ) => address.device_address() == device,
            Self::Nothing(_) => false,
        }
    }
}

fn is_stranger(function: &Function) -> bool {
    !inventory::belongs_to_a_gpu(function.class)
}

fn choose(selector: Selector, machine: Machine<'_>, gpus: &[Gpu]) -> Result<Vec<DeviceAddress>, Nothing> {
    match selector {
        Selector::Address(address) => at(address, None, machine, gpus),
        Selector::Guarded { address, identity } => at(address, Some(identity), machine, gpus),
        Selector::Identity(identity) => some(
            gpus.iter()
                .filter(|gpu| gpu.functions.iter().any(|function| function.identity == identity)),
            Nothing::NoIdentity(identity),
        ),
        Selector::Gpu => some(gpus.iter(), Nothing::NoGpu),
    }
}

fn at(
    address: FunctionAddress,
    guard: Option<Identity>,
    machine: Machine<'_>,
    gpus: &[Gpu],
) -> Result<Vec<DeviceAddress>, Nothing> {
    if let Some((_, problem)) = machine.unreadable.iter().find(|(unreadable, _)| *unreadable == address) {
        let problem = problem.clone();
        return Err(Nothing::CannotRead { address, problem });
    }
    let function = machine
        .functions
        .iter()
        .find(|function| function.address == address)
        .ok_or(Nothing::NoFunction(address))?;
    if let Some(expected) = guard.filter(|expected| *expected != function.identity) {
        let found = function.identity;
        return Err(Nothing::GuardFailed {
            address,
            expected,
            found,
        });
    }
    if function.is_virtual {
        return Err(Nothing::Virtual(address));
    }
    let class = function.class;
    some(
        gpus.iter().filter(|gpu| gpu.function(address).is_some()),
        Nothing::NotAGpu { address, class },
    )
}

fn some<'a>(gpus: impl Iterator<Item = &'a Gpu>, otherwise: Nothing) -> Result<Vec<DeviceAddress>, Nothing> {
    let devices: Vec<DeviceAddress> = gpus.map(|gpu| gpu.device).collect();
    if devices.is_empty() {
        Err(otherwise)
    } else {
        Ok(devices)
    }
}

fn refusal(gpu: &Gpu, machine: Machine<'_>) -> Option<Refusal> {
    let unreadable = machine
        .unreadable
        .iter()
        .find(|(address, _)| address.device_address() == gpu.device);
    if let Some((function, problem)) = unreadable {
        return Some(Refusal::CannotRead {
            function: *function,
            problem: problem.clone(),
        });
    }
    if let Some(function) = gpu.functions.iter().find(|function| is_stranger(function)) {
        return Some(Refusal::Stranger {
            function: function.address,
            class: function.class,
        });
    }
    let function = gpu.functions.iter().find(|function| function.iommu_group.is_none())?;
    Some(Refusal::NoIommu {
        function: function.address,
        missing: iommu::diagnose(machine.iommu),
    })
}

impl fmt::Display for Nothing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(formatter),
            Self::NoFunction(address) => write!(formatter, "no function at {address}"),
            Self::GuardFailed {
                address,
                expected,
                found,
            } => {
                write!(formatter, "{address} is {found}, not {expected}: not claimed")
            }
            Self::NotAGpu { address, class } => {
                write!(
                    formatter,
                    "{address} belongs to no GPU (its class is {class}): not claimed"
                )
            }
            Self::Virtual(address) => write!(formatter, "{address} is a virtual function: not claimed"),
            Self::CannotRead { problem, .. } => write!(formatter, "{problem}: not claimed"),
            Self::NoIdentity(identity) => write!(formatter, "no GPU has a function {identity}"),
            Self::NoGpu => formatter.write_str("there is no GPU"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotRead { problem, .. } => formatter.write_str(problem),
            Self::Stranger { function, class } => write!(
                formatter,
                "{function} stands on its device number and is no part of a GPU (its class is {class})"
            ),
            Self::NoIommu { function, missing } => write!(formatter, "{function}: {missing}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::{function, twins};
    use crate::rules::CommandLine;

    fn planned_on(functions: &[Function], unreadable: &[(FunctionAddress, String)], selectors: &str) -> Plan {
        let rules = CommandLine::parse(&format!("reseat.claim={selectors}")).rules;
        let iommu = &iommu::Evidence::default();
        plan(
            rules,
            Machine {
                functions,
                unreadable,
                iommu,
            },
        )
    }

    fn planned(selectors: &str) -> Plan {
        planned_on(&twins(), &[], selectors)
    }

    fn claimed(plan: &Plan) -> Vec<String> {
        plan.claim.iter().map(|gpu| gpu.device.to_string()).collect()
    }

    fn nothing(plan: &Plan) -> String {
        match &plan.rules[0].1 {
            RuleOutcome::Nothing(nothing) => nothing.to_string(),
            RuleOutcome::Chose(devices) => panic!("chose {devices:?}"),
        }
    }

    #[test]
    fn an_address_chooses_its_gpu_and_not_the_twin() {
        assert_eq!(claimed(&planned("0000:02:00.0")), ["0000:02:00"]);
    }

    #[test]
    fn any_function_stands_for_its_gpu() {
        assert_eq!(claimed(&planned("0000:02:00.1")), ["0000:02:00"]);
    }

    #[test]
    fn an_identity_chooses_both_twins() {
        assert_eq!(claimed(&planned("10de:2231")), ["0000:01:00", "0000:02:00"]);
        assert_eq!(claimed(&planned("gpu")), ["0000:01:00", "0000:02:00"]);
    }

    #[test]
    fn a_gpu_chosen_twice_is_claimed_once() {
        let plan = planned("gpu,0000:01:00.0,10de:1aef");
        assert_eq!(claimed(&plan), ["0000:01:00", "0000:02:00"]);
    }

    #[test]
    fn a_guard_that_holds_claims_and_one_that_fails_refuses() {
        assert_eq!(claimed(&planned("0000:01:00.0@10de:2231")), ["0000:01:00"]);
        let plan = planned("0000:01:00.0@10de:1eb8");
        assert!(plan.claim.is_empty());
        assert_eq!(nothing(&plan), "0000:01:00.0 is 10de:2231, not 10de:1eb8: not claimed");
    }

    #[test]
    fn a_rule_without_a_match_says_so_and_others_stand() {
        let plan = planned("0000:09:00.0,0000:01:00.0");
        assert_eq!(nothing(&plan), "no function at 0000:09:00.0");
        assert_eq!(claimed(&plan), ["0000:01:00"]);
        assert_eq!(nothing(&planned("1002:73bf")), "no GPU has a function 1002:73bf");
    }

    #[test]
    fn what_is_no_gpu_is_never_claimed() {
        let plan = planned("0000:03:00.0");
        assert!(plan.claim.is_empty());
        assert!(nothing(&plan).contains("belongs to no GPU"), "{}", nothing(&plan));
        assert_eq!(nothing(&planned("1b36:0010")), "no GPU has a function 1b36:0010");
    }

    #[test]
    fn one_function_without_a_group_refuses_the_whole_gpu() {
        let mut functions = twins();
        functions[2].iommu_group = None;
        let plan = planned_on(&functions, &[], "gpu");
        assert_eq!(claimed(&plan), ["0000:02:00"]);
        let (gpu, refusal) = &plan.refused[0];
        assert_eq!(gpu.device.to_string(), "0000:01:00");
        assert!(refusal.to_string().starts_with("0000:01:00.1: no IOMMU"), "{refusal}");
    }

    #[test]
    fn a_gpu_of_which_one_function_cannot_be_read_is_refused() {
        let functions: Vec<Function> = twins()
            .into_iter()
            .filter(|it| it.address.to_string() != "0000:01:00.1")
            .collect();
        let unreadable = [("0000:01:00.1".parse().unwrap(), "its class is missing".to_owned())];
        let plan = planned_on(&functions, &unreadable, "gpu");
        assert_eq!(claimed(&plan), ["0000:02:00"]);
        assert_eq!(plan.refused[0].1.to_string(), "its class is missing");
        let plan = planned_on(&functions, &unreadable, "0000:01:00.1");
        assert_eq!(nothing(&plan), "its class is missing: not claimed");
    }

    #[test]
    fn what_is_out_of_service_is_neither_claimed_nor_refused_and_its_twin_is_claimed() {
        let mut functions = twins();
        functions[2].iommu_group = None;
        for (selectors, claimed_then) in [
            ("gpu", vec!["0000:02:00"]),
            ("0000:02:00.0", vec!["0000:02:00"]),
            ("0000:01:00.0", vec![]),
        ] {
            let mut plan = planned_on(&functions, &[], selectors);
            plan.set_aside(&functions, |gpu, _| {
                (gpu.device.to_string() == "0000:01:00").then(|| "sick".to_owned())
            });
            assert_eq!(claimed(&plan), claimed_then, "{selectors}");
            assert!(plan.refused.is_empty());
            assert_eq!(plan.out_of_service[0].0.device.to_string(), "0000:01:00");
        }
    }

    #[test]
    fn narrowed_to_a_gpu_only_what_is_about_it_is_left() {
        let device = "0000:02:00".parse().unwrap();
        for (selectors, left) in [
            ("gpu", vec!["gpu"]),
            ("0000:01:00.0,0000:02:00.1,1002:73bf,every", vec!["0000:02:00.1"]),
            ("0000:02:00.0@10de:1eb8", vec!["0000:02:00.0@10de:1eb8"]),
            ("0000:01:00.0@10de:1eb8,0000:09:00.0,0000:03:00.0", vec![]),
        ] {
            let mut plan = planned(selectors);
            let was_claimed = claimed(&plan).contains(&"0000:02:00".to_owned());
            plan.narrow_to(device);
            let rules: Vec<&str> = plan.rules.iter().map(|(rule, _)| rule.text.as_str()).collect();
            assert_eq!(rules, left);
            assert_eq!(claimed(&plan), if was_claimed { vec!["0000:02:00"] } else { vec![] });
            assert_eq!(plan.is_empty(), left.is_empty());
        }
    }

    #[test]
    fn where_nobody_knows_only_what_would_be_claimed_is_set_aside() {
        let mut plan = planned("0000:02:00.0");
        plan.set_aside(&twins(), |_, chosen| {
            (chosen == Chosen::Yes).then(|| "nobody knows".to_owned())
        });
        assert_eq!(plan.out_of_service.len(), 1);
        assert_eq!(plan.out_of_service[0].0.device.to_string(), "0000:02:00");
        assert!(plan.claim.is_empty());
    }

    #[test]
    fn a_stranger_is_not_isolated_with_a_gpu() {
        let mut functions = twins();
        functions.push(function("0000:01:00.2", "1022:1649", "108000"));
        let mut plan = planned_on(&functions, &[], "gpu");
        plan.set_aside(&functions, |gpu, _| {
            (gpu.device.to_string() == "0000:01:00").then(|| "sick".to_owned())
        });
        let (gpu, _) = &plan.out_of_service[0];
        assert_eq!(gpu.functions.len(), 2, "{gpu:?}");
        assert!(plan.refused.is_empty());
    }

    #[test]
    fn a_gpu_beside_a_stranger_is_refused() {
        let mut functions = twins();
        // As on the device number of a processor's own graphics.
        functions.push(function("0000:01:00.2", "1022:1649", "108000"));
        let plan = planned_on(&functions, &[], "gpu");
        assert_eq!(claimed(&plan), ["0000:02:00"]);
        let refusal = plan.refused[0].1.to_string();
        assert!(
            refusal.starts_with("0000:01:00.2 stands on its device number"),
            "{refusal}"
        );
    }
}
