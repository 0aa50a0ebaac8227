use std::collections::BTreeMap;
use std::fs;

use crate::root;

/// The text of the template, and what stands where in it.
pub(super) struct Template {
    pub(super) text: String,
}

impl Template {
    pub(super) fn read() -> Self {
        let text = fs::read_to_string(root().join("deploy/template.yaml")).expect("the template");
        Self { text }
    }

    /// The default of each parameter, by its name; none has to be given.
    pub(super) fn parameters(&self) -> BTreeMap<&str, &str> {
        let (_, rest) = self.text.split_once("\nParameters:\n").expect("the parameters");
        let (parameters, _) = rest.split_once("\n\n").expect("the end of the parameters");
        let mut defaults = BTreeMap::new();
        let mut name = "";
        for line in parameters.lines() {
            if let Some(default) = line.strip_prefix("    Default: ") {
                defaults.insert(name, default.trim_matches('\''));
            } else if !line.starts_with("   ") {
                name = line.trim().trim_end_matches(':');
            }
        }
        defaults
    }

    /// The variables of the function's environment, and what each is set to.
    pub(super) fn variables(&self) -> Vec<(&str, &str)> {
        let (_, variables) = self.text.split_once("Variables:\n").expect("the variables");
        variables
            .lines()
            .map_while(|line| line.strip_prefix("          "))
            .filter(|line| !line.starts_with([' ', '#']))
            .map(|line| line.split_once(": ").expect("a name and a value"))
            .collect()
    }

    /// The variables that are what a parameter is, and that parameter's name.
    pub(super) fn options(&self) -> Vec<(&str, &str)> {
        let parameters = self.parameters();
        self.variables()
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.strip_prefix("!Ref ")?)))
            .filter(|(_, parameter)| parameters.contains_key(parameter))
            .collect()
    }

    /// The environment of a function that is deployed with these parameters, as far as they set it.
    pub(super) fn environment(&self, given: &BTreeMap<String, String>) -> Vec<(&str, String)> {
        let defaults = self.parameters();
        let value = |parameter| match given.get(parameter) {
            Some(value) => value.clone(),
            None => defaults[parameter].to_owned(),
        };
        self.options().into_iter().map(|(name, parameter)| (name, value(parameter))).collect()
    }
}
