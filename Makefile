# `make run` starts a server, `make test` checks it.

VERSION    ?= 0.1.0
LDFLAGS    := -s -w -X main.version=$(VERSION)
GO         ?= go
# SQLite is the original in C where it can be linked statically, else its translation to Go.
CGO        := $(if $(wildcard $(shell $$($(GO) env CC) -print-file-name=libc.a 2>/dev/null)),1,0)
STATIC     := $(if $(filter 1,$(CGO)),-linkmode external -extldflags -static)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@latest
PLATFORMS  := linux/amd64 linux/arm64 linux/arm darwin/arm64 freebsd/amd64 windows/amd64
FUZZTIME   ?= 30s
BENCH      ?= .
OLD        ?= bench-old.json

.PHONY: build run test race fuzz crash bench bench-compare microbench lint vuln cover check dist clean

build:
	CGO_ENABLED=$(CGO) $(GO) build -trimpath -tags netgo,osusergo,sqlite_omit_load_extension -ldflags '$(LDFLAGS) $(STATIC)' -o bin/ ./cmd/drawpile-srv ./cmd/dprectool ./perf

run: build
	bin/drawpile-srv --data data

test:
	$(GO) test $(TESTFLAGS) ./...

race:
	$(GO) test -race -short $(TESTFLAGS) ./...

# Every fuzz target for FUZZTIME each.
fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s $$pkg || exit 1; \
	  done; done

# Long runs of the tests that crash the store, or kill the server, at random points,
# and of random courses of sessions.
crash:
	$(GO) test -count=1 -run 'TestCrash' -timeout 60m ./store -crashseeds=10000
	$(GO) test -count=1 -run 'TestKill' -timeout 60m ./cmd/drawpile-srv -kills=200
	$(GO) test -count=1 -run 'TestResetCrash|TestRandomStreams|TestScriptedReset|TestIdenticalHistory' -timeout 60m ./relay -resetcrashes=0 -thorough
	$(GO) test -count=1 -run 'TestCanvases' -timeout 60m ./relay -canvases=10000
	CRASH_ROUNDS=50 $(GO) test -count=1 -run 'TestCrash' -timeout 60m ./cmd/drawpile-srv

# This server against the built-in relay and the bare event loop, and then with OLD
bench: build
	bin/perf bench --ours bin/drawpile-srv --json bench.json

bench-compare: bench
	bin/perf diff $(OLD) bench.json

microbench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

vuln:
	$(GO) run $(GOVULNCHECK) ./...

cover:
	$(GO) test -short -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -1

check: lint test

# Static binaries for all platforms and Debian packages, in dist/.
dist: build
	@for p in $(PLATFORMS); do os=$${p%/*}; arch=$${p#*/}; ext=; \
	  if [ $$os = windows ]; then ext=.exe; fi; echo "$$p"; \
	  for b in drawpile-srv dprectool; do CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch GOARM=7 $(GO) build -trimpath \
	    -ldflags '$(LDFLAGS)' -o dist/$$b-$(VERSION)-$$os-$$arch$$ext ./cmd/$$b || exit 1; done; done
	@cmd/drawpile-srv/deploy/package $(VERSION) bin/drawpile-srv dist

clean:
	rm -rf bin dist bench.json cover.out
