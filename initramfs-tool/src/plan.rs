//! The plan of a claim: GPUs to claim, refused GPUs with the reasons, and rules without effect.

mod choice;
mod refusal;

pub use choice::Nothing;
pub use refusal::ClaimRefusal;

use std::mem;

use reseat_core::address::{DeviceAddress, FunctionAddress};

use crate::model::display::{self, Sign};
use crate::model::finding::Finding;
use crate::model::inventory::{self, Details, Function, Gpu, Portions};
use crate::model::iommu;
use crate::model::system_use::SystemUse;
use crate::model::variants::Variant;
use crate::rules::{Choice, Display, GroupPeers, Rule};

/// The claims that the rules request on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPlan {
    /// Each rule with its outcome, in the order of the rules.
    pub rules: Vec<(Rule, RuleOutcome)>,
    /// The GPUs to claim, by address, each once however many rules select it. If a rule has `group-peers`, this
    /// includes the peers in its IOMMU groups.
    pub claim: Vec<Gpu>,
    /// The peers in the IOMMU groups of GPUs to claim that no rule claims.
    pub peers: Vec<(DeviceAddress, Vec<Function>)>,
    /// The signs that a GPU to claim shows a picture.
    pub signs: Vec<Sign>,
    /// The functions with a variant of vfio-pci.
    pub variants: Vec<(FunctionAddress, Variant)>,
    /// The GPUs that were selected and cannot be claimed.
    pub refused: Vec<(Gpu, ClaimRefusal)>,
    /// The GPUs that are out of service, selected or not, and the reasons. They are isolated.
    pub out_of_service: Vec<(Gpu, OutOfService)>,
    /// The functions of GPUs, where rules name them.
    pub portions: Portions,
    /// The uses of functions by the running system, as far as they were checked.
    pub system_uses: Vec<SystemUse>,
    /// The GPUs at the address of one that is out of service, with a note about that one.
    pub replaced: Vec<(DeviceAddress, Finding)>,
}

/// The state of a GPU out of service in the rules: it would be claimed if it were in service, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It would be claimed.
    Yes,
    /// It would not be claimed.
    No,
}

/// The reason why a GPU counts as out of service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutOfService {
    /// The quarantine has an entry for it, with this reason.
    Noted(String),
    /// The quarantine cannot be read, and so counts for every GPU.
    Unknown,
}

/// The outcome of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOutcome {
    /// It selected these GPUs.
    Chose(Vec<DeviceAddress>),
    /// It selected none.
    Nothing(Nothing),
}

/// The machine that the rules are applied to.
#[derive(Clone, Copy, Debug)]
pub struct PlanInputs<'a> {
    /// Its functions.
    pub functions: &'a [Function],
    /// Functions that exist but could not be read, with the reasons.
    pub unreadable: &'a [(FunctionAddress, Finding)],
    /// The details that rules need beyond that.
    pub details: &'a Details,
    /// The signs that its functions show a picture.
    pub signs: &'a [Sign],
    /// The facts about its IOMMU.
    pub iommu: &'a iommu::IommuFacts,
}

/// Applies the rules to the machine.
pub fn plan(rules: Vec<Rule>, machine: PlanInputs<'_>) -> ClaimPlan {
    let gpus = inventory::claimable(machine.functions, &Portions::default());
    let rules: Vec<(Rule, RuleOutcome)> = rules
        .into_iter()
        .map(|rule| {
            let outcome = choice::of_rule(&rule, machine, &gpus);
            (rule, outcome.map_or_else(RuleOutcome::Nothing, RuleOutcome::Chose))
        })
        .collect();
    let portions = portions_of(&rules);
    let gpus = inventory::claimable(machine.functions, &portions);
    let mut plan = ClaimPlan {
        rules,
        claim: Vec::new(),
        peers: Vec::new(),
        signs: Vec::new(),
        variants: Vec::new(),
        refused: Vec::new(),
        out_of_service: Vec::new(),
        portions,
        system_uses: Vec::new(),
        replaced: Vec::new(),
    };
    for gpu in &gpus {
        if plan.rules_for(gpu.device).next().is_none() {
            continue;
        }
        let refusal = refusal(gpu, machine, &plan.portions).or_else(|| plan.peers_unknown(gpu));
        match refusal.or_else(|| plan.peers_refused(gpu, machine, &gpus)) {
            None => plan.claim.push(gpu.clone()),
            Some(refusal) => plan.refused.push((gpu.clone(), refusal)),
        }
    }
    plan.take_peers(machine, &gpus);
    plan.keep_a_display(machine.signs, &gpus);
    plan
}

/// Returns the functions of the selected GPUs, if rules name them.
#[cfg(feature = "operator")]
pub fn portions(rules: &[Rule], machine: PlanInputs<'_>) -> Portions {
    let gpus = inventory::claimable(machine.functions, &Portions::default());
    let naming = rules.iter().filter(|rule| rule.functions.is_some());
    let chosen = naming.filter_map(|rule| {
        let devices = choice::of_rule(rule, machine, &gpus).ok()?;
        Some((rule.clone(), RuleOutcome::Chose(devices)))
    });
    portions_of(&chosen.collect::<Vec<_>>())
}

fn portions_of(rules: &[(Rule, RuleOutcome)]) -> Portions {
    let mut portions = Portions::default();
    for (rule, outcome) in rules {
        if let (Some(functions), RuleOutcome::Chose(devices)) = (rule.functions, outcome) {
            devices.iter().for_each(|device| portions.add(*device, functions));
        }
    }
    portions
}

impl ClaimPlan {
    /// True if a function of a GPU to claim is its own, and not a peer from its groups.
    fn owns(&self, gpu: &Gpu, function: FunctionAddress) -> bool {
        function.device_address() == gpu.device && self.portions.allow(function)
    }

    /// The rules that selected a GPU.
    fn rules_for(&self, device: DeviceAddress) -> impl Iterator<Item = &Rule> {
        let chose =
            move |outcome: &RuleOutcome| matches!(outcome, RuleOutcome::Chose(devices) if devices.contains(&device));
        self.rules
            .iter()
            .filter(move |(_, outcome)| chose(outcome))
            .map(|(rule, _)| rule)
    }

    /// The variant of vfio-pci for a function.
    pub(crate) fn variant_of(&self, function: FunctionAddress) -> Option<&Variant> {
        let mut variants = self.variants.iter();
        variants
            .find(|(address, _)| *address == function)
            .map(|(_, variant)| variant)
    }

    /// Returns true if a rule claims the peers of this GPU.
    pub(crate) fn takes_peers_of(&self, device: DeviceAddress) -> bool {
        self.rules_for(device).any(|rule| rule.group_peers == GroupPeers::Claim)
    }

    /// Refuses if the peers are unknown: a rule with `group-peers` claims all of them or nothing.
    fn peers_unknown(&self, gpu: &Gpu) -> Option<ClaimRefusal> {
        let function = gpu.functions.iter().find(|function| function.iommu_group.is_none())?;
        let is_asked_for = self.takes_peers_of(gpu.device);
        is_asked_for.then_some(ClaimRefusal::PeersUnknown(function.address))
    }

    /// Refuses if a peer must not lose its driver.
    fn peers_refused(&self, gpu: &Gpu, machine: PlanInputs<'_>, gpus: &[Gpu]) -> Option<ClaimRefusal> {
        let (taken, _) = self.peers_of(gpu, machine, gpus);
        let named: Vec<&Choice> = self.rules_for(gpu.device).flat_map(|rule| &rule.named_peers).collect();
        let is_unnamed = |peer: &Function| {
            let may_stay = inventory::may_carry_the_system(peer.class) && !choice::is_named(peer, &named, machine);
            may_stay.then_some(ClaimRefusal::PeerUnnamed {
                function: peer.address,
                class: peer.class,
            })
        };
        let is_virtual = |peer: &Function| {
            peer.physical
                .is_some()
                .then_some(ClaimRefusal::VirtualPeer(peer.address))
        };
        let refusal = |peer: &Function| {
            let unread = cannot_read(peer.address.device_address(), machine);
            unread
                .or_else(|| has_virtual_functions(peer, machine.functions))
                .or_else(|| is_virtual(peer))
                .or_else(|| is_unnamed(peer))
        };
        taken.iter().find_map(refusal)
    }

    /// Splits the peers of a GPU into those that a rule claims and those that stay. A rule does not claim peers that it
    /// excludes.
    fn peers_of(&self, gpu: &Gpu, machine: PlanInputs<'_>, gpus: &[Gpu]) -> (Vec<Function>, Vec<Function>) {
        let takes = |rule: &&Rule| rule.group_peers == GroupPeers::Claim;
        let left_out: Option<Vec<DeviceAddress>> = self
            .rules_for(gpu.device)
            .find(takes)
            .map(|rule| choice::left_out(rule, machine, gpus));
        peers(gpu, machine).cloned().partition(|function| {
            let left_out = left_out.as_ref();
            left_out.is_some_and(|devices| !devices.contains(&function.address.device_address()))
        })
    }

    /// Determines the peers of the GPUs to claim, and adds those that a rule claims.
    fn take_peers(&mut self, machine: PlanInputs<'_>, gpus: &[Gpu]) {
        let mut taken: Vec<FunctionAddress> = self.claim.iter().flat_map(addresses).collect();
        for index in 0..self.claim.len() {
            let Some(gpu) = self.claim.get(index).cloned() else {
                continue;
            };
            let (mut take, mut leave) = self.peers_of(&gpu, machine, gpus);
            for peers in [&mut take, &mut leave] {
                peers.retain(|function| !taken.contains(&function.address));
            }
            taken.extend(take.iter().map(|function| function.address));
            if let Some(gpu) = self.claim.get_mut(index) {
                gpu.functions.extend(take);
            }
            if !leave.is_empty() {
                self.peers.push((gpu.device, leave));
            }
        }
        // If groups overlap, a peer that was left alone may be claimed with another GPU.
        for (_, peers) in &mut self.peers {
            peers.retain(|function| !taken.contains(&function.address));
        }
        self.peers.retain(|(_, peers)| !peers.is_empty());
    }

    /// Refuses GPUs that show a picture if no other GPU that can show one would remain. A GPU out of service cannot.
    fn keep_a_display(&mut self, signs: &[Sign], gpus: &[Gpu]) {
        let isolated = self.out_of_service.iter().map(|(gpu, _)| gpu);
        let gone: Vec<FunctionAddress> = self.claim.iter().chain(isolated).flat_map(addresses).collect();
        let sign_on = |gpu: &Gpu| {
            let mut signs = signs.iter();
            signs.find(|sign| gpu.function(sign.function).is_some()).cloned()
        };
        let stays = gpus.iter().any(|gpu| {
            let mut functions = gpu.functions.iter();
            functions.any(|it| display::may_have_outputs(it.class) && !gone.contains(&it.address))
        });
        let is_kept = |gpu: &Gpu| !stays && !self.rules_for(gpu.device).any(|rule| rule.display == Display::Force);
        let refused: Vec<(Gpu, ClaimRefusal)> = self
            .claim
            .iter()
            .filter(|gpu| is_kept(gpu))
            .filter_map(|gpu| Some((gpu.clone(), ClaimRefusal::OnlyDisplay(sign_on(gpu)?))))
            .collect();
        self.refuse(refused);
        let is_claimed = |sign: &&Sign| self.claim.iter().any(|gpu| gpu.function(sign.function).is_some());
        self.signs = signs.iter().filter(is_claimed).cloned().collect();
    }

    fn refuse(&mut self, refused: Vec<(Gpu, ClaimRefusal)>) {
        for (gpu, _) in &refused {
            self.claim.retain(|claim| claim.device != gpu.device);
            self.peers.retain(|(device, _)| *device != gpu.device);
            self.signs.retain(|sign| gpu.function(sign.function).is_none());
        }
        self.refused.extend(refused);
    }

    /// Refuses GPUs with a peer that would be unbound from a host driver. On a running machine the peer may be in use,
    /// as with a mounted disk, which is not detectable. `is_vfio` returns true for drivers that are not the host's.
    pub fn spare_peers_at_work(&mut self, is_vfio: impl Fn(&str) -> bool) {
        let at_work = |gpu: &Gpu| {
            let peers = gpu.functions.iter();
            let mut peers = peers.filter(|function| !self.owns(gpu, function.address));
            peers.find_map(|peer| {
                let driver = peer.driver.clone().filter(|driver| !is_vfio(driver))?;
                let function = peer.address;
                Some(ClaimRefusal::PeerAtWork { function, driver })
            })
        };
        let claim = self.claim.iter();
        let refused = claim.filter_map(|gpu| Some((gpu.clone(), at_work(gpu)?)));
        self.refuse(refused.collect());
    }

    /// Refuses GPUs with a peer that carries the running system, whether the peer would be claimed or is refused for
    /// its class.
    pub fn spare_the_system(&mut self, uses: Vec<SystemUse>) {
        let carrying = |gpu: &Gpu| {
            let peers = gpu
                .functions
                .iter()
                .filter(|function| !self.owns(gpu, function.address));
            let mut peers = peers.map(|peer| peer.address);
            peers.find_map(|peer| uses.iter().find(|system| system.function == peer).cloned())
        };
        let claim = self.claim.iter();
        let refused = claim.filter_map(|gpu| Some((gpu.clone(), ClaimRefusal::PeerInSystem(carrying(gpu)?))));
        self.refuse(refused.collect());
        for (_, refusal) in &mut self.refused {
            let ClaimRefusal::PeerUnnamed { function, .. } = refusal else {
                continue;
            };
            if let Some(system) = uses.iter().find(|system| system.function == *function) {
                *refusal = ClaimRefusal::PeerInSystem(system.clone());
            }
        }
        self.system_uses = uses;
    }

    /// Narrows the plan to the GPU with device number `device`: it, the rules that select it, and rules that name an
    /// address of it and refuse what they found.
    pub fn narrow_to(&mut self, device: DeviceAddress) {
        self.rules.retain(|(_, outcome)| outcome.is_about(device));
        self.claim.retain(|gpu| gpu.device == device);
        self.peers.retain(|(claim, _)| *claim == device);
        let functions: Vec<FunctionAddress> = self.claim.iter().flat_map(addresses).collect();
        self.signs.retain(|sign| functions.contains(&sign.function));
        self.refused.retain(|(gpu, _)| gpu.device == device);
        self.out_of_service.retain(|(gpu, _)| gpu.device == device);
        self.replaced.retain(|(replacement, _)| *replacement == device);
    }

    /// Returns true if nothing is requested.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.claim.is_empty() && self.refused.is_empty() && self.out_of_service.is_empty()
    }

    /// Sets aside the GPUs in `functions` that are out of service, as `against` reports.
    ///
    /// Foreign functions beside one stay. A GPU with virtual functions is refused: one of them may be in use.
    pub fn set_aside(&mut self, functions: &[Function], mut against: impl FnMut(&Gpu, Chosen) -> Option<OutOfService>) {
        let gpus = inventory::gpus_of(functions, &self.portions);
        for mut gpu in gpus.iter().cloned() {
            let chosen = match self.claim.iter().any(|claim| claim.device == gpu.device) {
                true => Chosen::Yes,
                false => Chosen::No,
            };
            let Some(why) = against(&gpu, chosen) else {
                continue;
            };
            let is_whole = self.portions.of(gpu.device).is_none();
            gpu.functions.retain(|function| !(is_whole && is_stranger(function)));
            self.claim.retain(|claim| claim.device != gpu.device);
            self.peers.retain(|(claim, _)| *claim != gpu.device);
            for claim in &mut self.claim {
                claim.functions.retain(|peer| gpu.function(peer.address).is_none());
            }
            self.refused.retain(|(refused, _)| refused.device != gpu.device);
            let mut of_gpu = gpu.functions.iter();
            let occupied = of_gpu.find_map(|it| Some((it.address, virtual_functions(it, functions)?)));
            match occupied {
                Some((function, count)) => {
                    let refusal = ClaimRefusal::NotIsolated { why, function, count };
                    self.refused.push((gpu, refusal));
                }
                None => self.out_of_service.push((gpu, why)),
            }
        }
        let signs = mem::take(&mut self.signs);
        self.keep_a_display(&signs, &gpus);
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
            Self::Nothing(Nothing::NoneOf { gpus, .. }) => gpus.contains(&device),
            // It might have been selected.
            Self::Nothing(Nothing::CannotLeaveOut { .. }) => true,
            Self::Nothing(_) => false,
        }
    }
}

fn addresses(gpu: &Gpu) -> impl Iterator<Item = FunctionAddress> {
    gpu.functions.iter().map(|function| function.address)
}

/// The other functions in the groups of a GPU, without bridges.
fn peers<'a>(gpu: &'a Gpu, machine: PlanInputs<'a>) -> impl Iterator<Item = &'a Function> {
    let shares = |function: &Function| {
        let mut functions = gpu.functions.iter();
        function.iommu_group.is_some() && functions.any(|it| it.iommu_group == function.iommu_group)
    };
    let others = machine.functions.iter().filter(|it| gpu.function(it.address).is_none());
    others.filter(move |function| shares(function) && !inventory::is_neutral_in_iommu_group(function.class))
}

fn is_stranger(function: &Function) -> bool {
    !inventory::belongs_to_a_gpu(function.class) && !inventory::is_nvswitch(function.identity, function.class)
}

/// Refuses if a function with this device number cannot be read.
fn cannot_read(device: DeviceAddress, machine: PlanInputs<'_>) -> Option<ClaimRefusal> {
    let mut unreadable = machine.unreadable.iter();
    let (function, problem) = unreadable.find(|(address, _)| address.device_address() == device)?;
    Some(ClaimRefusal::CannotRead {
        function: *function,
        problem: problem.clone(),
    })
}

/// Refuses a function with virtual functions: they would be removed with its driver.
fn has_virtual_functions(function: &Function, functions: &[Function]) -> Option<ClaimRefusal> {
    let count = virtual_functions(function, functions)?;
    let function = function.address;
    Some(ClaimRefusal::VirtualFunctions { function, count })
}

/// The number of virtual functions of a physical one, if any.
fn virtual_functions(function: &Function, functions: &[Function]) -> Option<usize> {
    let all = functions.iter();
    let count = all.filter(|it| it.physical == Some(function.address)).count();
    (count > 0).then_some(count)
}

fn refusal(gpu: &Gpu, machine: PlanInputs<'_>, portions: &Portions) -> Option<ClaimRefusal> {
    let unread = cannot_read(gpu.device, machine);
    let is_its_own = |refusal: &ClaimRefusal| match refusal {
        ClaimRefusal::CannotRead { function, .. } => portions.allow(*function),
        _ => true,
    };
    if let Some(refusal) = unread.filter(is_its_own) {
        return Some(refusal);
    }
    // If a rule names the functions of a GPU, the GPU is exactly these.
    let is_whole = portions.of(gpu.device).is_none();
    if let Some(function) = gpu.functions.iter().find(|function| is_whole && is_stranger(function)) {
        return Some(ClaimRefusal::Stranger {
            function: function.address,
            class: function.class,
        });
    }
    let mut functions = gpu.functions.iter();
    if let Some(refusal) = functions.find_map(|function| has_virtual_functions(function, machine.functions)) {
        return Some(refusal);
    }
    // The claim checks if it has joined one.
    if machine.iommu.groups_come_with_drivers() {
        return None;
    }
    let function = gpu.functions.iter().find(|function| function.iommu_group.is_none())?;
    Some(ClaimRefusal::NoIommu {
        function: function.address,
        missing: iommu::diagnose(machine.iommu),
    })
}

#[cfg(test)]
mod tests;
