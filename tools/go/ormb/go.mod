module github.com/kleveross/klever/tools/ormb

go 1.26.8

require github.com/kleveross/ormb v0.0.11
