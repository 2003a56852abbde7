//! What is wrong with a file, and what is probably not meant.

use super::*;

#[test]
fn each_rule_has_its_error() {
    for (text, told) in [
        ("app = 'Web'", "app: "),
        ("[deploy]\nstrategy = 'fast'", "deploy.strategy: `fast` is not one of `rolling`"),
        ("[deploy]\nmax_unavailable = 0", "deploy.max_unavailable: it must be above 0"),
        ("[deploy]\nrelease_command = \"it's\"", "deploy.release_command: it cannot be split"),
        ("console_command = '\"'", "console_command: it cannot be split"),
        ("[processes]\nweb = \"it's\"", "processes.web: it cannot be split into words: a quote"),
        ("[checks.a]\nport = 1", "checks.a.type: it must be `tcp` or `http`"),
        ("[checks.a]\nport = 1\ntype = 'udp'", "checks.a.type: it must be `tcp` or `http`"),
        (
            "[checks.a]\nport = 1\ntype = 'tcp'\ninterval = 1999",
            "checks.a.interval: it must be two seconds or more",
        ),
        (
            "[checks.a]\nport = 1\ntype = 'tcp'\ntimeout = '61s'",
            "checks.a.timeout: it must be a minute or less",
        ),
        (
            "[checks.a]\ntype = 'tcp'",
            "checks.a: it has no `port`, and process group `app` has no `http_service` to take it \
             from",
        ),
        (
            "[processes]\nweb = ''\n[http_service]\ninternal_port = 1",
            "http_service: with `[processes]`, a service must name its groups in `processes`: web",
        ),
        (
            "[[services]]\nprocesses = ['x']\ninternal_port = 1",
            "services[0].processes: there is no process group `x`, only: app",
        ),
        ("[[restart]]\npolicy = 'no'", "restart[0].policy: `no` is not one of `always`"),
        ("[[restart]]\nretries = 1", "restart[0].policy: `` is not one of `always`"),
        (
            "[[restart]]\npolicy = 'never'\nprocesses = ['x']",
            "restart[0].processes: there is no process group `x`, only: app",
        ),
        ("[[vm]]\nsize = 'shared-cpu-3x'", "vm[0].size: `shared-cpu-3x` is an invalid"),
        ("[[vm]]\nmemory = 'lots'", "vm[0].memory: `lots` is no size"),
        ("[[vm]]\nmemory = 0", "vm[0].memory: `0` is less than 1 MiB"),
        ("[compute]\nsize = 'x'", "compute.size: `x` is an invalid"),
        (
            "[deploy]\nrelease_command_vm = { size = 'x' }",
            "deploy.release_command_vm.size: `x` is an invalid",
        ),
        ("[mounts]\ninitial_size = '15Mb'", "mounts.initial_size: `15Mb` is less than 1 GB"),
        ("[mounts]\ninitial_size = 'big'", "mounts.initial_size: `big` is no size"),
        ("[[mounts]]\nsnapshot_retention = 0", "mounts[0].snapshot_retention: it must be from 1"),
        ("[[mounts]]\nsnapshot_retention = 61", "mounts[0].snapshot_retention: it must be from 1"),
        (
            "[[mounts]]\nauto_extend_size_threshold = 80",
            "mounts[0].auto_extend_size_increment: it must be from 1 to 100 GB",
        ),
        (
            "[[mounts]]\nauto_extend_size_threshold = 49\nauto_extend_size_increment = '1gb'",
            "mounts[0].auto_extend_size_threshold: it must be from 50",
        ),
        (
            "[[mounts]]\nauto_extend_size_threshold = 80\nauto_extend_size_increment = '101gb'",
            "mounts[0].auto_extend_size_increment: it must be from 1",
        ),
        (
            "[[mounts]]\nauto_extend_size_threshold = 80\nauto_extend_size_increment = '1gb'\n\
             auto_extend_size_limit = '501gb'",
            "mounts[0].auto_extend_size_limit: it must be 500 GB or less",
        ),
        ("[build]\ncompression = 'xz'", "build.compression: `xz` is not one of"),
        ("[build]\ncompression_level = 10", "build.compression_level: it must be from 0 to 9"),
        ("[[machine_checks]]\nimage = 'x'", "machine_checks[0]: it has no `command`"),
        (
            "[[files]]\nguest_path = '/a'\nlocal_path = 'absent'",
            "files[0].local_path: cannot read `absent`: ",
        ),
        // Types: what is not patched is as JSON has it.
        ("swap_size_mb = 'much'", "swap_size_mb: it must be a whole number that is not negative"),
        ("[http_service]\ninternal_port = '80'", "http_service.internal_port: it must be a whole"),
        ("[http_service]\nconcurrency = '1,2'", "http_service.concurrency: it must be a table"),
        ("[http_service]\n[[http_service.checks]]\ninterval = '10'", "http_service.checks[0].int"),
        ("[checks.a]\nport = '80'", "checks.a.port: it must be a whole number from 0 to 65535"),
        ("[[mounts]]\nauto_extend_size_increment = 1", "mounts[0].auto_extend_size_increment: it"),
        ("[restart]\npolicy = 'always'", "restart: it must be a list, and is a table"),
        ("[[services]]\nprocesses = 'web'", "services[0].processes: it must be a list"),
        ("[processes]\nweb = 5", "processes.web: it must be a text, and is the number 5"),
        ("[deploy]\nrelease_command_vm = { memory = 5 }", "deploy.release_command_vm.memory: it"),
        ("[[services]]\ninternal_port = 70000", "services[0].internal_port: it must be a whole"),
        ("kill_timeout = 'soon'", "kill_timeout: `soon` is not a duration"),
    ] {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].starts_with(told), "{text}: {problems:?}");
    }
}

#[test]
fn what_depends_on_the_groups_is_told_for_those_that_are_deployed() {
    let text = "
        [processes]
        a = ''
        b = ''
        [deploy]
        strategy = 'canary'
        [[mounts]]
        source = 'x'
        destination = '/x'
        processes = ['b']
        [[mounts]]
        source = 'y'
        destination = '/y'
        processes = ['b']
    ";
    let mut config = config(text);
    let check = |config: &AppConfig, groups: &[&str]| {
        let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
        config.check_groups(&groups).err().map(|error| error.to_string())
    };
    assert_eq!(check(&config, &["a"]), None);
    let several = "`fly.toml` line 11, column 9: `mounts[1]`: process group `b` has another \
                   mount, and one is possible\n";
    assert!(check(&config, &["b"]).unwrap().starts_with(several));
    assert!(check(&config, &[]).unwrap().starts_with(several));
    let unknown = check(&config, &["c"]).unwrap();
    assert!(unknown.contains("there is no process group `c`, only: a, b"), "{unknown}");
    assert!(config.machine_config("a", "i", None).is_ok());
    assert!(config.machine_config("b", "i", None).is_err());

    let mounts = "[mounts]\nsource = 'x'\ndestination = '/x'\n[deploy]\nstrategy = ";
    let canary = check(&self::config(&format!("{mounts}'canary'")), &[]).unwrap();
    let told = "`fly.toml` line 5, column 12: `deploy.strategy`: `canary` is not possible for \
                process group `app`, whose machines have volumes\n";
    assert!(canary.starts_with(told), "{canary}");

    config = self::config(&format!("{mounts}'rolling'"));
    assert_eq!(check(&config, &[]), None);
    config.set_strategy(Strategy::Canary);
    let canary = check(&config, &[]).unwrap();
    assert!(canary.starts_with("`fly.toml`: `--strategy`: `canary` is not"), "{canary}");
}

#[test]
fn all_that_is_wrong_is_told_at_once_each_with_its_line() {
    let error = refused(
        "app = 'web'\n[[vm]]\nsize = 'x'\n[deploy]\nstrategy = 'fast'\n[checks.a]\ntype = 'udp'\n\
         port = 1\n",
    );
    assert_eq!(error.code(), "config.invalid");
    let told = error.to_string();
    assert_eq!(
        told.replace(|c: char| !c.is_ascii(), ""),
        "`fly.toml` has 3 errors\n\
         line 3, column 8: `vm[0].size`: `x` is an invalid machine size, choose one of: \
         shared-cpu-1x, shared-cpu-2x, shared-cpu-4x, shared-cpu-6x, shared-cpu-8x, \
         performance-1x, performance-2x, performance-4x, performance-6x, performance-8x, \
         performance-10x, performance-12x, performance-14x, performance-16x, a100-40gb, \
         a100-80gb, l40s, a10\n  |\n3 | size = 'x'\n  |        ^^^\n\
         line 5, column 12: `deploy.strategy`: `fast` is not one of `rolling`, `immediate`, \
         `canary`, `bluegreen`\n  |\n5 | strategy = 'fast'\n  |            ^^^^^^\n\
         line 7, column 8: `checks.a.type`: it must be `tcp` or `http`\n  |\n7 | type = 'udp'\n  \
         |        ^^^^^"
    );
}

#[test]
fn wrong_types_are_told_at_once_too_in_every_language() {
    let toml = "swap_size_mb = 'much'\n[env]\nA = [1]\n[[services]]\nprotocol = 6\n";
    let json =
        "{\"swap_size_mb\": \"much\",\n\"env\": {\"A\": [1]},\n\"services\": [{\"protocol\": 6}]}";
    let yaml = "swap_size_mb: much\nenv:\n  A: [1]\nservices:\n- protocol: 6\n";
    for (path, text, lines) in [
        ("fly.toml", toml, [1, 3, 5]),
        ("fly.json", json, [1, 2, 3]),
        ("fly.yaml", yaml, [1, 3, 5]),
    ] {
        let error = AppConfig::parse(text, Path::new(path)).unwrap_err();
        let Error::Invalid { origin, problems } = error else { panic!("{error:?}") };
        assert_eq!(origin, format!("`{path}`"));
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["swap_size_mb", "env.A", "services[0].protocol"], "{path}");
        let at: Vec<_> = problems.iter().map(|problem| problem.place.unwrap().line).collect();
        assert_eq!(at, lines, "{path}");
        assert!(problems.iter().all(|problem| problem.excerpt.is_some()));
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_line() {
    for (path, text, told) in [
        ("fly.toml", "app = ", "`fly.toml` line 1, column 7: "),
        ("fly.json", "{", "`fly.json` line 1, column 1: EOF while parsing an object"),
        ("fly.yaml", "a: [\n", "`fly.yaml` line 2, column 1: "),
    ] {
        let error = AppConfig::parse(text, Path::new(path)).unwrap_err();
        assert_eq!(error.code(), "config.malformed");
        assert!(error.to_string().starts_with(told), "{error}");
    }
    let error = AppConfig::parse("", Path::new("fly.ini")).unwrap_err();
    assert_eq!((error.code(), error.hint().is_some()), ("config.format", true));
    for (path, text) in [("fly.json", "[]"), ("fly.json", "null"), ("fly.yaml", "- a")] {
        let error = AppConfig::parse(text, Path::new(path)).unwrap_err();
        assert!(error.to_string().contains("it must be a table"), "{error}");
    }
    let (empty, _) = AppConfig::parse("# nothing\n", Path::new("fly.yaml")).unwrap();
    assert_eq!(*empty.definition(), json!({}));
}

#[test]
fn each_thing_that_is_hardly_meant_has_its_warning() {
    for (text, code, told) in [
        ("color = 1", "config.unknown-key", "line 1, column 1: `color`: is not known"),
        (
            "[[services]]\ninternal_port = 1\nports = [{port = 80, handler = ['http']}]",
            "config.unknown-key",
            "line 3, column 22: `services[0].ports[0].handler`: is not known",
        ),
        ("[[services]]\ninternal_port = 1", "config.service-without-ports", "`services[0]`: it"),
        (
            "[http_service]\nforce_https = true",
            "config.service-without-internal-port",
            "line 1, column 2: `http_service`: it has no `internal_port`",
        ),
        (
            "[deploy]\nwait_timeout = 300",
            "config.nanoseconds",
            "line 2, column 16: `deploy.wait_timeout`: 300 is 300 nanoseconds here; write \"300s\"",
        ),
        (
            "[deploy]\nrelease_command_timeout = 60",
            "config.nanoseconds",
            "`deploy.release_command_timeout`: 60 is",
        ),
        (
            "[[machine_checks]]\ncommand = ['x']\nkill_timeout = 5",
            "config.nanoseconds",
            "`machine_checks[0].kill_timeout`: 5 is",
        ),
        ("[build]\ndockerfile = 'D'", "config.key-without-effect", "`build.dockerfile`: has no"),
        ("[build]\nbuild_target = 'D'", "config.key-without-effect", "line 2, column 16: `build.b"),
        (
            "[build]\ncompression_level = 5",
            "config.key-without-effect",
            "`build.compression_level`: has no effect: the `--compression` flag says it",
        ),
        (
            "kill_timeout = 5\n[experimental]\nkill_timeout = 6",
            "config.key-without-effect",
            "line 3, column 16: `experimental.kill_timeout`: has no effect: `kill_timeout` takes",
        ),
        (
            "[[files]]\nguest_path = '/a'\nraw_value = 'x'\nprocesses = ['app']",
            "config.key-without-effect",
            "`files[0].processes`: has no effect: files are written",
        ),
        (
            "[[files]]\nguest_path = '/a'\nraw_value = 'aGVsbG8gd29ybGQ='",
            "config.encoded-twice",
            "`files[0].raw_value`: it seems to be base64",
        ),
        (
            "[deploy]\nseed_command = 'x'",
            "config.key-without-effect",
            "`deploy.seed_command`: has no effect: only `fly launch` runs it",
        ),
        (
            "[[statics]]\nguest_path = 'public'\nurl_prefix = '/'",
            "config.static-not-uploaded",
            "`statics[0].guest_path`: it must begin with `/`",
        ),
        ("[env]\nAPI_KEY = 'x'", "config.secret-in-env", "line 2, column 11: `env.API_KEY`: is"),
        ("[[vm]]\nmemory = '8gb'", "config.guest-out-of-bounds", "`vm[0]`: the platform gives 256"),
        ("[[vm]]\ncpu_kind = 'fast'", "config.guest-out-of-bounds", "`fast` is no kind of CPU"),
        ("[[vm]]\nprocesses = ['x']", "config.unknown-group", "`vm[0].processes`: there is no"),
        ("[[mounts]]\nsource = 'x'", "config.mount-incomplete", "it has no `destination`"),
        (
            "[processes]\na = ''\nb = ''\n[[restart]]\npolicy = 'always'",
            "config.default-group-alone",
            "`restart[0]`: without `processes` it is for process group `a` alone",
        ),
        (
            "[[metrics]]\nport = 1\n[[metrics]]\nport = 2",
            "config.key-without-effect",
            "`metrics[1]`: has no effect: process group `app` has its metrics from an earlier one",
        ),
    ] {
        let (_, warnings) = parse(text);
        assert_eq!(codes(&warnings), [code], "{text}: {warnings:?}");
        assert!(warnings[0].message.starts_with("`fly.toml` line "), "{}", warnings[0]);
        assert!(warnings[0].message.contains(told), "{text}: {}", warnings[0]);
    }
}

#[test]
fn times_that_the_platform_changes_are_warned_of() {
    let text = "
        [http_service]
        internal_port = 1
        [[http_service.checks]]
        interval = 10
        timeout = '61s'
        grace_period = '0s'
        [[services]]
        internal_port = 1
        ports = [{ port = 1 }]
        tcp_checks = [{ interval = 999, timeout = 1000, grace_period = 500 }]
        http_checks = [{ interval = '60s', grace_period = '2m' }]
    ";
    let (config, warnings) = parse(text);
    let keys: Vec<_> = warnings.iter().map(|w| format!("{} {}", w.code, w.key())).collect();
    assert_eq!(
        keys,
        [
            "config.nanoseconds http_service.checks[0].interval",
            "config.check-out-of-bounds http_service.checks[0].timeout",
            "config.check-out-of-bounds services[0].tcp_checks[0].interval",
            "config.check-out-of-bounds services[0].tcp_checks[0].grace_period",
            "config.check-out-of-bounds services[0].http_checks[0].grace_period",
        ]
    );
    let machine = config.machine_config("app", "i", None).unwrap();
    assert_eq!(machine.services[0].checks[0].interval.as_deref(), Some("10ns"));
}

#[test]
fn a_large_number_becomes_a_text_that_nobody_expects() {
    let (config, warnings) =
        AppConfig::parse("{\"env\": {\"MAX\": 1000000}}", Path::new("fly.json")).unwrap();
    assert_eq!(config.env()["MAX"], "1e+06");
    assert_eq!(codes(&warnings), ["config.exponent"]);
    assert_eq!(self::config("[env]\nMAX = 1000000\n").env()["MAX"], "1000000");
}

#[test]
fn a_readable_text_is_not_taken_for_base64() {
    for value in ["password", "hello world", "", "key=value=", "aGk="] {
        let text = format!("[[files]]\nguest_path = '/a'\nraw_value = '{value}'\n");
        assert_eq!(codes(&parse(&text).1), Vec::<&str>::new(), "{value}");
    }
}

#[test]
fn unknown_keys_are_errors_for_who_wants_it_so() {
    let read = |text| {
        let (config, warnings) = AppConfig::inspect(text, Path::new("fly.toml"));
        Error::strict(config.err(), &warnings)
    };
    assert_eq!(read("app = 'web'\n[build]\ndockerfile = 'x'\n"), None);
    let error = read("colour = 1\n[deploy]\nstrategie = 'x'\n[[vm]]\nsise = 1\n").unwrap();
    assert_eq!(error.code(), "config.unknown-key");
    let Error::UnknownKeys { problems, .. } = &error else { panic!("{error:?}") };
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["colour", "deploy.strategie", "vm[0].sise"]);
    let both = read("colour = 1\n[deploy]\nstrategy = 'x'\n").unwrap();
    assert_eq!(both.code(), "config.invalid");
    assert!(both.to_string().starts_with("`fly.toml` has 2 errors\nline 1, column 1: `colour`"));
}
