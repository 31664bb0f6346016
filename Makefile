# `make demo` and `make test` are all a contributor needs; the other targets are single steps of `make test`, but for soak, test-clusters, bench,
# profile, release-rehearsal and vuln.

.DEFAULT_GOAL := help
.PHONY: help demo test soak test-clusters bench profile release-rehearsal vuln fmt-check vet tidy-check consumer docs-check lint unit fuzz-seeds simulator fuzz browser integration bench-short coverage clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build and run the demo: API, front end and lab
	@scripts/demo.sh

test: ## run every check and every test there is
	@scripts/test.sh

soak: ## the long forms of the tests of faults: hours; scripts/soak.sh --help
	@scripts/soak.sh

test-clusters: ## the store on Galera, Group Replication and Vitess, or KINDS="galera"; scripts/clusters.sh --help
	@scripts/clusters.sh $(KINDS)

bench: ## measure everything, or PARTS="verify request", and write docs/benchmarks.md; scripts/bench.sh --help
	@scripts/bench.sh $(PARTS)

profile: ## CPU and allocation profiles of the hot paths, in .bin/profiles
	@scripts/bench.sh profile

release-rehearsal: ## tag a throw-away clone, and consume every module from it as a stranger does; needs the network
	@scripts/release.sh rehearse

vuln: ## govulncheck in every module; needs its database
	@scripts/vuln.sh

fmt-check: ## is all Go code as gofmt writes it
	@scripts/test.sh fmt

vet: ## go vet in every module
	@scripts/test.sh vet

tidy-check: ## does every module build alone, with a tidy go.mod
	@scripts/test.sh tidy

consumer: ## what a consumer of single modules downloads
	@scripts/test.sh consumer

docs-check: ## do the links and the names of tests in the documentation lead somewhere
	@scripts/test.sh docs

lint: ## golangci-lint in every module, import directions included
	@scripts/test.sh lint

unit: ## tests that need no database, race detector on
	@scripts/test.sh unit

fuzz-seeds: unit ## fuzz targets over their seeds: go test runs them with the unit tests

simulator: ## the session simulator at full size, and the denylist's memory, race detector off
	@scripts/test.sh simulator

fuzz: ## each fuzz target for half a minute
	@scripts/test.sh fuzz

browser: ## the TypeScript client and the demo, in Node and in a real browser
	@scripts/test.sh browser

integration: ## tests on a real MySQL in a container
	@scripts/test.sh integration

bench-short: ## show that all benchmarks run
	@scripts/test.sh bench

coverage: unit integration ## statement coverage of session/ and store/mysql, after the tests that it is of
	@scripts/test.sh coverage

clean: ## remove what the checks built
	rm -rf .bin
