//! Rule 2: the modules of a crate are a graph without circles.
//!
//! A module is a file. It knows another module if a path in it leads to an item of that module. A name that a
//! module re-exports (`pub use`) leads to the module that defines it. So a parent that declares and
//! re-exports its children is no part of a circle. Tests are left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::source::{Source, is_test};

type Name = Vec<String>;

/// What each module knows.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// What a name means in a module.
enum Meaning {
    Defined,
    Child,
    /// Another name for this path, whose first segment is looked up in the module again.
    Alias(Name),
}

struct Module {
    names: BTreeMap<String, Meaning>,
    /// The paths in it that may lead to other modules.
    paths: Vec<Name>,
}

/// The modules of one crate and what they know. `sources` are all its files.
pub(crate) fn graph(sources: &[Source]) -> Graph {
    let parsed: Vec<(Name, syn::File)> =
        sources.iter().map(|source| (module_name(source), source.parsed())).collect();
    let tests: Vec<Name> = parsed.iter().flat_map(|(name, file)| test_files(name, &file.items)).collect();
    let is_code = |name: &Name| !tests.iter().any(|test| name.starts_with(test));
    let modules: BTreeMap<Name, Module> = parsed
        .into_iter()
        .filter(|(name, _)| is_code(name))
        .map(|(name, file)| (name, Module::of(&file)))
        .collect();
    let mut graph = Graph::new();
    for (name, module) in &modules {
        let found = module.paths.iter().filter_map(|path| resolve(&modules, name, path, 0));
        let others: BTreeSet<String> =
            found.filter(|other| other != name).map(|other| shown(&other)).collect();
        if !others.is_empty() {
            graph.insert(shown(name), others);
        }
    }
    graph
}

/// The circles: for each module that can reach itself, the shortest way.
pub(crate) fn circles(graph: &Graph) -> Vec<String> {
    let mut found = BTreeMap::new();
    for start in graph.keys() {
        if let Some(way) = way_back(graph, start) {
            let members: BTreeSet<&String> = way.iter().copied().collect();
            found.entry(members).or_insert_with(|| {
                format!("{} → {start}", way.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" → "))
            });
        }
    }
    found.into_values().collect()
}

fn way_back<'a>(graph: &'a Graph, start: &'a String) -> Option<Vec<&'a String>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in graph.get(*way.last()?).into_iter().flatten() {
                if next == start {
                    return Some(way);
                }
                if seen.insert(next) {
                    longer.push(way.iter().copied().chain([next]).collect());
                }
            }
        }
        ways = longer;
    }
    None
}

fn shown(name: &Name) -> String {
    if name.is_empty() { "the root".to_owned() } else { name.join("::") }
}

/// `src/model/image.rs` is `model::image`, and `src/model/mod.rs` is `model`. `src/lib.rs` is the root;
/// `src/main.rs` is a crate of its own.
fn module_name(source: &Source) -> Name {
    let path = source.path.with_extension("");
    let mut names: Name = path
        .iter()
        .skip_while(|part| *part != "src")
        .skip(1)
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    names.pop_if(|name| name == "mod" || name == "lib");
    names
}

/// The files that exist in tests alone.
fn test_files(module: &Name, items: &[syn::Item]) -> Vec<Name> {
    let modules = items.iter().filter_map(|item| match item {
        syn::Item::Mod(item) if item.content.is_none() && is_test(&item.attrs) => {
            Some(item.ident.to_string())
        }
        _ => None,
    });
    modules.map(|child| module.iter().cloned().chain([child]).collect()).collect()
}

impl Module {
    fn of(file: &syn::File) -> Self {
        let mut reader = Reader { module: Self { names: BTreeMap::new(), paths: Vec::new() } };
        reader.visit_file(file);
        reader.module
    }
}

struct Reader {
    module: Module,
}

impl Reader {
    fn define(&mut self, name: &syn::Ident) {
        self.module.names.insert(name.to_string(), Meaning::Defined);
    }

    fn import(&mut self, before: &Name, tree: &syn::UseTree) {
        let path = |name: &syn::Ident| -> Name { before.iter().cloned().chain([name.to_string()]).collect() };
        match tree {
            syn::UseTree::Path(tree) => self.import(&path(&tree.ident), &tree.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(before, tree)),
            syn::UseTree::Glob(_) => {
                self.module.paths.push(before.iter().cloned().chain(["*".to_owned()]).collect());
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                let last = before.last().cloned().unwrap_or_default();
                self.module.names.insert(last, Meaning::Alias(before.clone()));
            }
            syn::UseTree::Name(name) => self.alias(&name.ident, path(&name.ident)),
            syn::UseTree::Rename(rename) => self.alias(&rename.rename, path(&rename.ident)),
        }
    }

    fn alias(&mut self, name: &syn::Ident, path: Name) {
        self.module.names.entry(name.to_string()).or_insert_with(|| Meaning::Alias(path.clone()));
        self.module.paths.push(path);
    }

    /// Paths in the arguments of a macro, which no parser knows.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Name = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if colons == 2 => path.push(name.to_string()),
                TokenTree::Ident(name) => {
                    self.flush(&mut path);
                    path.push(name.to_string());
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.flush(&mut path);
                    self.scan(group.stream());
                }
                _ => self.flush(&mut path),
            }
            colons = 0;
        }
        self.flush(&mut path);
    }

    fn flush(&mut self, path: &mut Name) {
        if path.len() > 1 {
            self.module.paths.push(path.clone());
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        use syn::Item;

        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            Item::Static(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if is_test(attributes) {
            return;
        }
        match item {
            Item::Use(item) => return self.import(&Vec::new(), &item.tree),
            Item::Mod(item) if item.content.is_none() => {
                self.module.names.insert(item.ident.to_string(), Meaning::Child);
                return;
            }
            Item::Struct(item) => self.define(&item.ident),
            Item::Enum(item) => self.define(&item.ident),
            Item::Union(item) => self.define(&item.ident),
            Item::Trait(item) => self.define(&item.ident),
            Item::Type(item) => self.define(&item.ident),
            Item::Const(item) => self.define(&item.ident),
            Item::Static(item) => self.define(&item.ident),
            Item::Fn(item) => self.define(&item.sig.ident),
            Item::Macro(item) => item.ident.iter().for_each(|name| self.define(name)),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 && path.leading_colon.is_none() {
            self.module.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.scan(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

/// The module that defines the item at `path` in `module`. `None` for paths out of the crate, and for modules
/// themselves.
fn resolve(modules: &BTreeMap<Name, Module>, module: &Name, path: &[String], depth: usize) -> Option<Name> {
    /// Aliases of aliases.
    const DEEPEST: usize = 16;
    if depth > DEEPEST {
        return None;
    }
    let mut at = module.clone();
    for (index, segment) in path.iter().enumerate() {
        match segment.as_str() {
            "crate" if index == 0 => at.clear(),
            "self" if index == 0 => {}
            "super" => drop(at.pop()?),
            "*" => return modules.contains_key(&at).then_some(at),
            segment => match modules.get(&at)?.names.get(segment) {
                Some(Meaning::Child) => at.push(segment.to_owned()),
                Some(Meaning::Defined) => return Some(at),
                Some(Meaning::Alias(alias)) => {
                    // `use fetch::fetch;` means the library.
                    if index == 0 && alias.first().is_some_and(|first| first == segment) {
                        return None;
                    }
                    let longer: Name = alias.iter().chain(&path[index + 1..]).cloned().collect();
                    return resolve(modules, &at, &longer, depth + 1);
                }
                // A name that a glob or a macro makes.
                None => return (index > 0).then_some(at),
            },
        }
    }
    None
}
