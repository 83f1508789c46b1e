use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Pat, ReturnType, Signature, Type};

use crate::{Genre, LeftOut, Mutant};

/// A source file into which mutants are written. Nothing is replaced: there are only insertions.
pub struct Schemata<'s> {
    source: &'s str,
    /// Those that were not met yet, by where they are.
    mutants: HashMap<(usize, usize), Vec<&'s Mutant>>,
    insertions: Vec<Insertion>,
    /// Those of operators between which a `let` stands, where there can be no others.
    chained: Vec<u32>,
    /// Inside of what is worked out by the compiler, where no switch can be asked.
    consts: usize,
}

struct Insertion {
    at: usize,
    /// Ends what was opened before, and so stands before what opens at the same place.
    closes: bool,
    text: String,
}

impl<'s> Schemata<'s> {
    pub fn new(source: &'s str, mutants: impl Iterator<Item = (Range<usize>, &'s Mutant)>) -> Self {
        let mut by_place = HashMap::<_, Vec<_>>::new();
        for (range, mutant) in mutants {
            by_place.entry((range.start, range.end)).or_default().push(mutant);
        }
        Self { source, mutants: by_place, insertions: Vec::new(), chained: Vec::new(), consts: 0 }
    }

    pub fn write(&mut self, file: &syn::File) {
        self.visit_file(file);
    }

    /// The file with the mutants in it.
    pub fn text(&mut self) -> String {
        // Stable: of two that open at one place, the outer one was met first; of two that close, the inner.
        self.insertions.sort_by_key(|insertion| (insertion.at, !insertion.closes));
        let (mut text, mut done) = (String::new(), 0);
        for Insertion { at, text: inserted, .. } in &self.insertions {
            text += &self.source[done..*at];
            text += inserted;
            done = *at;
        }
        text + &self.source[done..]
    }

    /// Tells which mutants are not in the text.
    pub fn leave_out(self, left_out: &mut LeftOut) {
        left_out.uncompilable.extend(self.chained);
        left_out.unswitchable.extend(self.mutants.values().flatten().map(|mutant| mutant.id));
    }

    /// The mutants of this place, if a switch can stand there.
    fn take(&mut self, range: Range<usize>, genre: Genre) -> Vec<&'s Mutant> {
        if self.consts > 0 {
            return Vec::new();
        }
        let key = (range.start, range.end);
        let Some(here) = self.mutants.remove(&key) else { return Vec::new() };
        let (taken, others): (Vec<_>, Vec<_>) =
            here.into_iter().partition(|mutant| mutant.genre == genre);
        if !others.is_empty() {
            self.mutants.insert(key, others);
        }
        taken
    }

    fn open(&mut self, at: usize, text: String) {
        self.insertions.push(Insertion { at, closes: false, text });
    }

    fn close(&mut self, at: usize, text: String) {
        self.insertions.push(Insertion { at, closes: true, text });
    }

    /// Begins `(if <on> { <mutant> } else …`, and returns what ends it.
    fn choose<'m>(
        &mut self,
        at: usize,
        choices: impl IntoIterator<Item = (&'m Mutant, String)>,
    ) -> Option<String> {
        let (mut ids, mut text) = (Vec::new(), String::new());
        for (Mutant { id, .. }, mutated) in choices {
            ids.push(id.to_string());
            _ = write!(text, "/*{id}{{*/if {} {{ {mutated} }}/*}}{id}*/ else ", on(*id));
        }
        if ids.is_empty() {
            return None;
        }
        let ids = ids.join(",");
        self.open(at, format!("/*{ids}{{*/({text}{{ "));
        Some(format!(" }})/*}}{ids}*/"))
    }

    /// Ends what was begun by [`choose`](Self::choose), if anything was.
    fn finish(&mut self, at: usize, end: Option<String>) {
        if let Some(text) = end {
            self.close(at, text);
        }
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        // Of the types that `impl Trait` may stand for, a function returns one.
        if matches!(&signature.output, ReturnType::Type(_, of) if matches!(**of, Type::ImplTrait(_)))
        {
            return;
        }
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else { return };
        let body = bytes(first).start..bytes(last).end;
        for Mutant { id, replacement, .. } in self.take(body.clone(), Genre::FnValue) {
            let text = format!("/*{id}{{*/if {} {{ return {replacement}; }}/*}}{id}*/ ", on(*id));
            self.open(body.start, text);
        }
    }

    /// Visits what the compiler may work out.
    fn in_const(&mut self, is_const: bool, visit: impl FnOnce(&mut Self)) {
        self.consts += usize::from(is_const);
        visit(self);
        self.consts -= usize::from(is_const);
    }
}

impl<'ast> Visit<'ast> for Schemata<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.in_const(is_const(&item.sig), |this| {
            this.function(&item.sig, &item.block);
            visit::visit_item_fn(this, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.in_const(is_const(&item.sig), |this| {
            this.function(&item.sig, &item.block);
            visit::visit_impl_item_fn(this, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.in_const(true, |this| visit::visit_item_const(this, item));
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.in_const(true, |this| visit::visit_item_static(this, item));
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.in_const(true, |this| visit::visit_impl_item_const(this, item));
    }

    fn visit_expr_const(&mut self, item: &'ast syn::ExprConst) {
        self.in_const(true, |this| visit::visit_expr_const(this, item));
    }

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
        self.in_const(true, |this| this.visit_expr(&repeat.len));
    }

    fn visit_type_array(&mut self, array: &'ast syn::TypeArray) {
        self.in_const(true, |this| visit::visit_type_array(this, array));
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let (left, right) = (bytes(&binary.left), bytes(&binary.right));
        let mut mutants = self.take(bytes(&binary.op), Genre::BinaryOperator);
        if has_let(&binary.left) || has_let(&binary.right) {
            self.chained.extend(mutants.drain(..).map(|mutant| mutant.id));
        }
        let (l, r) = (&self.source[left.clone()], &self.source[right.clone()]);
        let choices =
            mutants.into_iter().map(|one| (one, format!("({l}) {} ({r})", one.replacement)));
        let end = self.choose(left.start, choices);
        visit::visit_expr_binary(self, binary);
        self.finish(right.end, end);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let (operator, operand) = (bytes(&unary.op), bytes(&unary.expr));
        let mutants = self.take(operator.clone(), Genre::UnaryOperator);
        let mutated = &self.source[operand.clone()];
        let choices = mutants.into_iter().map(|one| (one, mutated.to_owned()));
        let end = self.choose(operator.start, choices);
        visit::visit_expr_unary(self, unary);
        self.finish(operand.end, end);
    }

    fn visit_expr_match(&mut self, expr: &'ast syn::ExprMatch) {
        // An arm with a guard counts for nothing where the compiler looks whether all cases are there.
        if expr.arms.iter().any(|arm| matches!(arm.pat, Pat::Wild(_)) && arm.guard.is_none()) {
            for arm in &expr.arms {
                for Mutant { id, .. } in self.take(bytes(arm), Genre::MatchArm) {
                    let guard = format!("/*{id}{{*/ if !{}/*}}{id}*/", on(*id));
                    self.close(bytes(&arm.pat).end, guard);
                }
            }
        }
        visit::visit_expr_match(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let Some((_, guard)) = &arm.guard {
            let range = bytes(guard);
            let mutants = self.take(range.clone(), Genre::MatchArmGuard);
            let choices = mutants.into_iter().map(|one| (one, one.replacement.clone()));
            let end = self.choose(range.start, choices);
            self.visit_expr(guard);
            self.finish(range.end, end);
        }
        self.visit_expr(&arm.body);
    }

    fn visit_expr_struct(&mut self, literal: &'ast syn::ExprStruct) {
        let Some(base) = &literal.rest else { return visit::visit_expr_struct(self, literal) };
        let base_text = &self.source[bytes(base)];
        for pair in literal.fields.pairs() {
            let field = pair.value();
            let (name, value) = (bytes(&field.member), bytes(&field.expr));
            let end = pair.punct().map_or(value.end, |comma| bytes(comma).end);
            let mutants = self.take(bytes(field).start..end, Genre::StructField);
            let name = &self.source[name];
            let choices = mutants.into_iter().map(|one| (one, format!("({base_text}).{name}")));
            if field.colon_token.is_none() {
                self.open(value.start, format!("{name}: "));
            }
            let end = self.choose(value.start, choices);
            self.visit_expr(&field.expr);
            self.finish(value.end, end);
        }
        self.visit_expr(base);
    }
}

fn bytes(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

fn is_const(signature: &Signature) -> bool {
    signature.constness.is_some()
}

fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

/// Asks the switch.
fn on(id: u32) -> String {
    format!("crate::mutants::on({id})")
}
