module github.com/kleveross/klever/tools/modctl

go 1.26.8

require github.com/modelpack/modctl v0.2.2
