module github.com/kleveross/klever/tools/kit

go 1.26.8

require github.com/kitops-ml/kitops v1.15.0
