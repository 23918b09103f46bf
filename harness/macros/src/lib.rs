//! The attribute that makes a function a scenario. It is in catnap's prelude.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, LitStr, Pat, Result, Type, parse_macro_input};

/// Makes an asynchronous function a scenario: a test that is given a lab of its own, and whose verdict is what it returns.
///
/// The function takes the lab first, as `lab: &Lab`. Further arguments are of cases, as rstest has them: `#[case::name(…)]`
/// above the function and `#[case]` before the argument, or `#[values(…)]`.
///
/// ```text
/// /// NP-01: a pod that fits on no node gets one.
/// #[scenario]
/// async fn a_pending_pod_gets_a_node(lab: &Lab) -> Outcome { … }
/// ```
///
/// A scenario that depends on the date and time of day, because of budgets with a schedule or maintenance windows, says when
/// its lab begins: `#[scenario(begins = "2026-03-02T08:00:00Z")]`. Where time cannot be moved it is skipped.
#[proc_macro_attribute]
pub fn scenario(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut begins = None;
    let parser = syn::meta::parser(|meta: ParseNestedMeta| {
        if meta.path.is_ident("begins") {
            begins = Some(meta.value()?.parse::<LitStr>()?);
            return Ok(());
        }
        Err(meta.error("a scenario knows `begins = \"2026-03-02T08:00:00Z\"` and nothing else"))
    });
    parse_macro_input!(arguments with parser);
    let function = parse_macro_input!(item as ItemFn);
    test_of(function, begins).unwrap_or_else(Error::into_compile_error).into()
}

/// The test that runs the scenario.
fn test_of(function: ItemFn, begins: Option<LitStr>) -> Result<Tokens> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new(signature.span(), "a scenario is an `async fn`"));
    }
    let (lab, lab_type) = lab_of(signature.inputs.first().ok_or_else(|| no_lab(signature.span()))?)?;
    let arguments: Vec<&FnArg> = signature.inputs.iter().skip(1).collect();
    // Cases are rstest's matter; a function without any is a test by itself.
    let cases = if arguments.is_empty() { Tokens::new() } else { quote!(#[::rstest::rstest]) };
    let begins = match begins {
        Some(moment) => quote!(::core::option::Option::Some(#moment)),
        None => quote!(::core::option::Option::None),
    };
    let (attributes, visibility, name, output) = (&function.attrs, &function.vis, &signature.ident, &signature.output);
    let body = &function.block;
    Ok(quote! {
        #cases
        #(#attributes)*
        #[::tokio::test]
        #visibility async fn #name(#(#arguments),*) #output {
            ::catnap::scenario::run(#begins, async move |#lab: #lab_type| #output #body).await
        }
    })
}

/// The name and the type of the first argument, which is the lab.
fn lab_of(argument: &FnArg) -> Result<(Tokens, Tokens)> {
    let FnArg::Typed(argument) = argument else { return Err(no_lab(argument.span())) };
    let is_lab = |path: &syn::TypePath| path.path.segments.last().is_some_and(|last| last.ident == "Lab");
    match (&*argument.pat, &*argument.ty) {
        (Pat::Ident(name), Type::Reference(reference)) if matches!(&*reference.elem, Type::Path(path) if is_lab(path)) =>
        {
            let (name, kind) = (&name.ident, &argument.ty);
            Ok((quote!(#name), quote_spanned!(kind.span()=> #kind)))
        }
        _ => Err(no_lab(argument.span())),
    }
}

fn no_lab(place: proc_macro2::Span) -> Error {
    Error::new(place, "a scenario takes its lab first: `lab: &Lab`")
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn written(function: ItemFn, begins: Option<LitStr>) -> String {
        test_of(function, begins).unwrap_or_else(Error::into_compile_error).to_string()
    }

    #[test]
    fn a_scenario_is_a_test_that_is_given_a_lab() {
        let text = written(parse_quote! { async fn holds(lab: &Lab) -> Outcome { Ok(()) } }, None);
        assert!(text.contains(":: tokio :: test") && text.contains("async fn holds () -> Outcome"), "{text}");
        assert!(text.contains("run (:: core :: option :: Option :: None , async move | lab : & Lab |"), "{text}");
        assert!(!text.contains("rstest"), "{text}");
    }

    #[test]
    fn cases_and_the_beginning_are_passed_on() {
        let function = parse_quote! {
            #[case::small(1)]
            async fn holds(lab: &Lab, #[case] size: u8) -> Outcome { Ok(()) }
        };
        let text = written(function, Some(parse_quote!("2026-03-02T08:00:00Z")));
        assert!(text.starts_with("# [:: rstest :: rstest] # [case :: small (1)]"), "{text}");
        assert!(text.contains("async fn holds (# [case] size : u8)"), "{text}");
        assert!(text.contains("Some (\"2026-03-02T08:00:00Z\")"), "{text}");
    }

    #[test]
    fn what_is_no_scenario_says_what_is_missing() {
        for (function, says) in [
            (parse_quote! { fn holds(lab: &Lab) {} }, "`async fn`"),
            (parse_quote! { async fn holds() {} }, "`lab: &Lab`"),
            (parse_quote! { async fn holds(lab: Lab) {} }, "`lab: &Lab`"),
            (parse_quote! { async fn holds(size: &u8) {} }, "`lab: &Lab`"),
        ] {
            let text = written(function, None);
            assert!(text.contains("compile_error") && text.contains(says), "{text}");
        }
    }
}
